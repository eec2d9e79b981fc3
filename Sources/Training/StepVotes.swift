/// What a rank tells all others in a step's one small exchange, besides its loss.
///
/// Every decision that depends on one rank's circumstances (a signal, a disk, a clock) is a vote: the same step decides
/// it on all ranks.
public struct StepVotes: Hashable, Sendable {
    public enum Question: Int, CaseIterable, Sendable {
        /// Something asked this rank to save and leave.
        case stop
        /// This rank has done its part of what a save under way waits for.
        case savePartEnded
    }

    /// For each question how many ranks said yes; of a single rank 0 or 1.
    private var counts = SIMD8<Double>.zero

    public init() {}

    public init(_ questions: Question...) {
        for question in questions { self[question] = true }
    }

    /// Whether any rank said yes.
    public subscript(question: Question) -> Bool {
        get { counts[question.rawValue] > 0 }
        set { counts[question.rawValue] = newValue ? 1 : 0 }
    }

    /// How many ranks said yes.
    public func count(of question: Question) -> Int { Int(counts[question.rawValue]) }

    func write(to numbers: UnsafeMutableBufferPointer<Double>) {
        for question in Question.allCases { numbers[question.rawValue] = counts[question.rawValue] }
    }

    mutating func read(_ numbers: UnsafeMutableBufferPointer<Double>) {
        for question in Question.allCases { counts[question.rawValue] = numbers[question.rawValue] }
    }
}
