/// Decides where bound tensors' gradients are put, turn by turn, where those of several turns must be told apart.
///
/// A turn is what the backward pass of one micro-batch contributes. Operators of different parameters may be at
/// different turns: a tensor begins a turn when an operator first has something for it.
public protocol GradientTurns: AnyObject {
    /// Called before a bound tensor's gradient is asked for the first time in a turn; must call
    /// `Tape.beginTurn(_:of:at:)`.
    ///
    /// - Parameter index: The tensor's number, in the order of binding.
    func begin(_ turn: Int, of index: Int)
}

extension Tape {
    /// Asks `turns`, which must outlive its use by the tape, at each turn of a bound tensor; nil asks nobody.
    public func setTurns(_ turns: (any GradientTurns)?) { self.turns = turns }

    public var boundTensorCount: Int { slots.bound.count }

    /// Elements of a bound tensor, and where its gradient is; nil for one that gets none.
    public func boundGradient(_ index: Int) -> UnsafeMutableBufferPointer<Float>? {
        slots.bound[index].gradient.map { UnsafeMutableBufferPointer(start: $0, count: slots.bound[index].count) }
    }

    /// The turn that a bound tensor is at, -1 before the first.
    public func turn(of index: Int) -> Int { slots.bound[index].turn }

    /// Puts the gradient of a bound tensor somewhere else from now on: in the new turn nothing is there yet.
    public func beginTurn(_ turn: Int, of index: Int, at place: UnsafeMutablePointer<Float>) {
        slots.bound[index].turn = turn
        slots.bound[index].gradient = place
        slots.bound[index].hasGradient = false
    }

    /// Puts all bound tensors before the first turn.
    public func forgetTurns() {
        for index in slots.bound.indices { slots.bound[index].turn = -1 }
    }
}
