import Models
import Numerics

extension ParameterStore {
    /// Fills every slice with the numbers that the whole parameter has there, whatever the layout: each element is a
    /// function of the seed, the parameter's name and its index in the whole.
    ///
    /// Where replicas have the values in common, all must have called it before any uses them.
    public func initialize(seed: UInt64, pool: ThreadPool) {
        for entry in entriesToFill {
            switch entry.specification.initializer {
            case .constant(let value):
                values(of: entry).update(repeating: value)
            case .normal(let standardDeviation):
                let random = CounterRandom(seed: seed, name: entry.specification.name)
                fill(entry, random, standardDeviation: standardDeviation, pool: pool)
            }
        }
    }

    private func fill(_ entry: Entry, _ random: CounterRandom, standardDeviation: Float, pool: ThreadPool) {
        let destination = values(of: entry)
        let shape = entry.specification.shape
        let (rows, columns) =
            shape.count == 1 ? (0..<1, entry.slice.ranges[0]) : (entry.slice.ranges[0], entry.slice.ranges[1])
        let width = shape[shape.count - 1]
        if columns.count == width {
            random.fillNormal(
                destination, firstElement: rows.lowerBound * width, standardDeviation: standardDeviation, pool: pool)
            return
        }
        // A range of columns: what is contiguous in the whole is one row's part.
        pool.forEachTile(rows.count) { row, _ in
            random.fillNormal(
                UnsafeMutableBufferPointer(rebasing: destination[row * columns.count..<(row + 1) * columns.count]),
                firstElement: (rows.lowerBound + row) * width + columns.lowerBound,
                standardDeviation: standardDeviation)
        }
    }
}
