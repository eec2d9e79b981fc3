/// A forward pass that a tape has put aside, to run it backward after others.
///
/// It has the memory of its operators from the tape's arena, and no tensors but its own: bound ones are the tape's.
public final class Recording {
    fileprivate var slots: [Tape.Slot] = []
    fileprivate var records: [Tape.Record] = []
    fileprivate var saved: [(pointer: UnsafeMutablePointer<Float>, count: Int)] = []
    fileprivate var operatorBytes: UnsafeMutableRawBufferPointer
    fileprivate var operatorBytesUsed = 0

    public init() {
        operatorBytes = .allocate(byteCount: 1 << 16, alignment: 16)
        // Recordings trade places: each is soon as large as the largest, and this is enough for small models at once.
        slots.reserveCapacity(512)
        records.reserveCapacity(512)
        saved.reserveCapacity(256)
    }

    deinit {
        while let record = records.popLast() { Tape.destroy(record.type, at: record.offset, in: operatorBytes) }
        operatorBytes.deallocate()
    }
}

/// Several forward passes under way on one tape, and tensors that come from other ranks and go to them.
extension Tape {
    /// Puts what is recorded aside, and takes up what had been put aside in `recording`: nothing, the first time.
    ///
    /// Tensors that were made in a recording may be used only while it is the tape's.
    public func exchangeRecording(with recording: Recording) {
        swap(&slots.made, &recording.slots)
        swap(&records, &recording.records)
        swap(&saved, &recording.saved)
        swap(&operatorBytes, &recording.operatorBytes)
        swap(&operatorBytesUsed, &recording.operatorBytesUsed)
    }

    /// A tensor of `rows × columns` elements that lie in memory from `arena` already; the tape releases it.
    public func adoptTensor(_ value: UnsafeMutablePointer<Float>, rows: Int, columns: Int) -> Tensor {
        slots.append(
            Slot(
                value: value, gradient: nil, count: rows * columns, requiresGradient: isRecording, ownsValue: true,
                ownsGradient: true))
        return Tensor(slot: Int32(slots.count - 1), rows: rows, columns: columns)
    }

    /// Makes memory from `arena` the gradient of a tensor that has none yet; the tape releases it.
    public func giveGradient(_ gradient: UnsafeMutablePointer<Float>, to tensor: Tensor) {
        let index = Int(tensor.slot)
        precondition(
            slots[index].requiresGradient && slots[index].gradient == nil && slots[index].ownsGradient,
            "only a tensor without a gradient can be given one")
        slots[index].gradient = gradient
        slots[index].hasGradient = true
    }

    /// Takes the gradient of a tensor away from the tape, nil where it has none. The caller releases it to `arena`.
    public func takeGradient(of tensor: Tensor) -> UnsafeMutablePointer<Float>? {
        let index = Int(tensor.slot)
        guard slots[index].hasGradient, slots[index].ownsGradient else { return nil }
        defer {
            slots[index].gradient = nil
            slots[index].hasGradient = false
        }
        return slots[index].gradient
    }

    /// Runs everything backward, like `backward()`, and takes away the gradient of `input`, which was made before the
    /// first operator.
    public func backward(takingGradientOf input: Tensor) -> UnsafeMutablePointer<Float>? {
        runBackward()
        defer { reset() }
        return takeGradient(of: input)
    }
}
