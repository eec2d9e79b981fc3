import Foundation
import Observability

extension KernelBenchmark.Result {
    /// A table for a reader, with what was measured and how.
    public var table: String {
        var lines = [
            "machine   \(machine.text)",
            "ms        the fastest and the median call in \(seconds) s of each kernel, on the same operands again and again",
            "speed     of the fastest call; its floor is the slower of operations at the peak and bytes, each operand once, "
                + "at the copy bandwidth",
            "          (above 100%: operands came from a cache, or were written where they had just been read, unlike a copy's)",
        ]
        for floor in floors {
            lines.append(
                "          \(Self.threads(floor.threads)), measured in this run: "
                    + "\(Quantity.fixed(floor.peakGFLOPs, 1)) GFLOP/s, \(Quantity.fixed(floor.copyGBs, 1)) GB/s")
        }
        lines.append("")
        let heading = floors.flatMap { ["ms", "median", Self.threads($0.threads), "of floor"] }
        lines.append(Self.line("kernel", "shape", heading, "models"))
        for row in rows {
            let cells = row.timings.flatMap { timing in
                [
                    Quantity.fixed(timing.fastestSeconds * 1e3, 3), Quantity.fixed(timing.medianSeconds * 1e3, 3),
                    Self.speed(row, timing), Quantity.percent(timing.floorSeconds / timing.fastestSeconds),
                ]
            }
            lines.append(Self.line(row.kernel, row.shape, cells, row.models.joined(separator: ", ")))
        }
        return lines.joined(separator: "\n")
    }

    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private static func speed(_ row: KernelBenchmark.Row, _ timing: KernelBenchmark.Timing) -> String {
        timing.isComputeBound
            ? "\(Quantity.fixed(row.operations / timing.fastestSeconds / 1e9, 1)) GFLOP/s"
            : "\(Quantity.fixed(row.bytes / timing.fastestSeconds / 1e9, 1)) GB/s"
    }

    private static func threads(_ count: Int) -> String { count == 1 ? "1 thread" : "\(count) threads" }

    private static func line(_ kernel: String, _ shape: String, _ cells: [String], _ models: String) -> String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(width - text.count, 1))
        }
        var line = padded(kernel, 32) + padded(shape, 22)
        for (index, cell) in cells.enumerated() {
            line += String(repeating: " ", count: max([11, 10, 15, 9][index % 4] - cell.count, 1)) + cell
        }
        return line + "  " + models
    }
}
