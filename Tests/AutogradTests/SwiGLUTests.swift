import Autograd
import Testing

@Suite("SwiGLU operator")
struct SwiGLUTests {
    @Test("gradients", arguments: [1, 5, 16, 35])
    func gradients(columns: Int) {
        GradientCheck.check([(4, 2 * columns)]) { tape, inputs in tape.swiGLU(inputs[0]) }
    }
}
