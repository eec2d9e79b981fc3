import Autograd
import Numerics
import Testing

/// The harness must find what is wrong, or the operators' tests prove nothing.
@Suite struct GradientCheckTests {
    @Test func acceptsARightGradient() {
        GradientCheck.check([(rows: 3, columns: 5)]) { tape, inputs in tape.square(inputs[0], slope: 2) }
    }

    @Test func refusesAWrongGradient() {
        withKnownIssue {
            GradientCheck.check([(rows: 3, columns: 5)]) { tape, inputs in tape.square(inputs[0], slope: 2.01) }
        }
    }
}

extension Tape {
    fileprivate func square(_ x: Tensor, slope: Float) -> Tensor {
        let mark = mark()
        let y = makeTensor(rows: x.rows, columns: x.columns)
        for index in 0..<x.count { value(y)[index] = value(x)[index] * value(x)[index] }
        record(Square(x: x, y: y, slope: slope), since: mark)
        return y
    }
}

private struct Square: Operator {
    let x: Tensor
    let y: Tensor
    let slope: Float

    func backward(on tape: Tape) {
        guard let dy = tape.gradient(y), let sink = tape.gradientSink(x) else { return }
        for index in 0..<x.count {
            let gradient = slope * tape.value(x)[index] * dy[index]
            sink.pointer[index] = sink.accumulates ? sink.pointer[index] + gradient : gradient
        }
    }
}
