import Autograd
import Collectives

extension Tensor {
    /// `[rows, columns of this part]` → `[rows, columns of all parts]`, forward only.
    func gatheringColumns(over communicator: any Communicator, on tape: Tape) -> Tensor {
        var widths = [Int64](repeating: 0, count: communicator.size)
        widths[communicator.rank] = Int64(columns)
        widths.withUnsafeMutableBufferPointer { communicator.allReduce($0, .sum, label: "widths of the parts") }
        let widest = Int(widths.max()!)
        let whole = tape.makeTensor(
            rows: rows, columns: Int(widths.reduce(0, +)), requiresGradient: false)
        let partSize = rows * widest
        tape.withScratch(partSize * communicator.size) { parts in
            (parts + communicator.rank * partSize).update(from: tape.value(self), count: count)
            communicator.allGather(
                UnsafeMutableBufferPointer(start: parts, count: partSize * communicator.size), label: "gather columns")
            var firstColumn = 0
            for (part, width) in widths.enumerated() {
                for row in 0..<rows {
                    (tape.value(whole) + row * whole.columns + firstColumn)
                        .update(from: parts + part * partSize + row * Int(width), count: Int(width))
                }
                firstColumn += Int(width)
            }
        }
        return whole
    }
}
