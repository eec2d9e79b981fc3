import Foundation

extension CollectiveBenchmark.Result {
    /// The rows as aligned text, below what was measured and how.
    public var table: String {
        """
        machine   \(machine.text)
        ranks     \(ranks) of one thread each
        times     of one call, by its slowest rank: the best and the median of \(repetitions) timings
        GB/s      of a rank's buffer in the best time; moved: all that the ranks have to read and write
        copying   \(String(format: "%.1f", copyGBs)) GB/s read and written by all ranks at once, measured in this run
                  (above 100%: buffers came from a cache, or were written where they had just been read, unlike a copy's)

        \(lines.joined(separator: "\n"))
        """
    }

    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private var lines: [String] {
        func cell(_ text: String, width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
        let columns = ["KiB", "median µs", "best µs", "GB/s", "moved GB/s", "of copying", "× MPI"]
        let heading =
            "collective".padding(toLength: 34, withPad: " ", startingAt: 0)
            + columns.map { cell($0, width: 11) }.joined()
        return [heading]
            + rows.map { row in
                row.collective.padding(toLength: 34, withPad: " ", startingAt: 0)
                    + [
                        String(row.bytes >> 10), number(row.medianSeconds * 1e6, 1), number(row.bestSeconds * 1e6, 1),
                        number(row.gigabytesPerSecond, 2), number(row.movedGBs, 2),
                        number(row.movedGBs / copyGBs * 100, 0) + "%",
                        row.timesFasterThanMPI.map { number($0, 2) } ?? "",
                    ].map { cell($0, width: 11) }.joined()
            }
    }
}
