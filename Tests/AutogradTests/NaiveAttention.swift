import Autograd
import Foundation
import Kernels

/// Causal attention in double precision, one weight at a time: what the blocked kernels are compared with.
struct NaiveAttention {
    let shape: AttentionShape
    var theta: Double?
    /// The factor of the weight of a key for a query of a head of a sequence of the batch.
    var factor: (_ sequence: Int, _ head: Int, _ query: Int, _ key: Int) -> Double = { _, _, _, _ in 1 }

    /// Outputs for rows of queries | keys | values.
    func forward(_ qkv: [Float]) -> [Double] {
        let rotated = rotate(qkv.map(Double.init), sign: 1)
        var output = [Double](repeating: 0, count: shape.batch * shape.sequence * shape.outputColumns)
        forEachQuery(rotated) { query in
            for (key, weight) in query.weights.enumerated() {
                let dropped = weight * factor(query.sequence, query.head, query.position, key)
                for channel in 0..<shape.headSize {
                    output[query.output + channel] += dropped * rotated[query.value(key) + channel]
                }
            }
        }
        return output
    }

    /// The gradient of `qkv` for a gradient of the outputs.
    func backward(_ qkv: [Float], _ dOutput: [Float]) -> [Double] {
        let rotated = rotate(qkv.map(Double.init), sign: 1)
        let scale = 1 / Double(shape.headSize).squareRoot()
        var gradient = [Double](repeating: 0, count: qkv.count)
        forEachQuery(rotated) { query in
            let channels = 0..<shape.headSize
            let weightGradients = query.weights.indices.map { key in
                factor(query.sequence, query.head, query.position, key)
                    * channels.reduce(0) { $0 + Double(dOutput[query.output + $1]) * rotated[query.value(key) + $1] }
            }
            let mean = zip(weightGradients, query.weights).reduce(0) { $0 + $1.0 * $1.1 }
            for (key, weight) in query.weights.enumerated() {
                let score = weight * (weightGradients[key] - mean) * scale
                let dropped = weight * factor(query.sequence, query.head, query.position, key)
                for channel in channels {
                    gradient[query.query + channel] += score * rotated[query.key(key) + channel]
                    gradient[query.key(key) + channel] += score * rotated[query.query + channel]
                    gradient[query.value(key) + channel] += dropped * Double(dOutput[query.output + channel])
                }
            }
        }
        return rotate(gradient, sign: -1)
    }

    /// One query with its softmax, and where its numbers lie.
    private struct Query {
        let sequence: Int
        let head: Int
        let position: Int
        /// Offsets of the query's first channel, its output's, and those of the sequence's first key and value.
        let query: Int
        let output: Int
        let firstKey: Int
        let firstValue: Int
        let rowSize: Int
        var weights: [Double] = []

        func key(_ position: Int) -> Int { firstKey + position * rowSize }
        func value(_ position: Int) -> Int { firstValue + position * rowSize }
    }

    private func forEachQuery(_ rotated: [Double], _ body: (Query) -> Void) {
        let group = shape.heads / shape.keyValueHeads
        for sequence in 0..<shape.batch {
            for head in 0..<shape.heads {
                for position in 0..<shape.sequence {
                    let row = sequence * shape.sequence + position
                    let firstKey =
                        sequence * shape.sequence * shape.inputColumns + shape.outputColumns + head / group
                        * shape.headSize
                    var query = Query(
                        sequence: sequence, head: head, position: position,
                        query: row * shape.inputColumns + head * shape.headSize,
                        output: row * shape.outputColumns + head * shape.headSize, firstKey: firstKey,
                        firstValue: firstKey + shape.keyValueColumns, rowSize: shape.inputColumns)
                    let scores = (0...position).map { key in
                        (0..<shape.headSize).reduce(0) {
                            $0 + rotated[query.query + $1] * rotated[query.key(key) + $1]
                        } / Double(shape.headSize).squareRoot()
                    }
                    let largest = scores.max()!
                    let sum = scores.reduce(0) { $0 + exp($1 - largest) }
                    query.weights = scores.map { exp($0 - largest) / sum }
                    body(query)
                }
            }
        }
    }

    /// Rotates queries and keys as Hugging Face's Llama does: x·cos + rotateHalf(x)·sin.
    private func rotate(_ rows: [Double], sign: Double) -> [Double] {
        guard let theta else { return rows }
        var result = rows
        let half = shape.headSize / 2
        for row in 0..<shape.batch * shape.sequence {
            for head in 0..<shape.heads + shape.keyValueHeads {
                let first = row * shape.inputColumns + head * shape.headSize
                for channel in 0..<half {
                    let angle =
                        sign * Double(row % shape.sequence) * pow(theta, -2 * Double(channel) / Double(shape.headSize))
                    let (a, b) = (rows[first + channel], rows[first + half + channel])
                    result[first + channel] = a * cos(angle) - b * sin(angle)
                    result[first + half + channel] = b * cos(angle) + a * sin(angle)
                }
            }
        }
        return result
    }
}
