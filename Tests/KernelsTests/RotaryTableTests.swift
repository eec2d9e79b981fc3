import Foundation
import Kernels
import Testing

@Suite("Rotary position embedding")
struct RotaryTableTests {
    @Test("rotates the pairs (i, i + headSize/2), each head alike", arguments: [2, 6, 16, 22, 64])
    func forward(headSize: Int) {
        let heads = 3
        let table = RotaryTable(headSize: headSize, contextLength: 50, theta: 500)
        let input: [Float] = (0..<heads * headSize).map { index in Float((index * 37 + 5) % 101) / 50 - 1 }
        for position in [0, 1, 49] {
            var rotated = input
            table.rotate(&rotated, heads: heads, position: position)
            for head in 0..<heads {
                for i in 0..<headSize / 2 {
                    let frequency = pow(500, -2 * Double(i) / Double(headSize))
                    let angle: Double = Double(position) * frequency
                    let first = head * headSize + i
                    let second = first + headSize / 2
                    let (a, b) = (Double(input[first]), Double(input[second]))
                    let expectedFirst: Double = a * cos(angle) - b * sin(angle)
                    let expectedSecond: Double = b * cos(angle) + a * sin(angle)
                    #expect(abs(Double(rotated[first]) - expectedFirst) < 1e-6)
                    #expect(abs(Double(rotated[second]) - expectedSecond) < 1e-6)
                }
            }
            if position == 0 { #expect(rotated == input) }
            table.rotate(&rotated, heads: heads, position: position, inverse: true)
            let difference: Float = zip(rotated, input).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(difference < 1e-6)
        }
    }
}
