extension Tape {
    /// A tape's slots by their numbers: those of bound tensors, which all recordings have in common, and then the
    /// recording's own.
    struct SlotTable {
        var bound: [Slot] = []
        var made: [Slot] = []

        var count: Int { bound.count + made.count }

        subscript(index: Int) -> Slot {
            get { index < bound.count ? bound[index] : made[index - bound.count] }
            set {
                if index < bound.count { bound[index] = newValue } else { made[index - bound.count] = newValue }
            }
        }

        mutating func append(_ slot: Slot) { made.append(slot) }

        mutating func removeLast() -> Slot { made.removeLast() }
    }
}
