/// An operator whose output is cheap to compute from its inputs, so that it need not be kept for the backward pass: see
/// `Tape.discardUntilBackward(_:)`.
public protocol RecomputableOperator: Operator {
    /// The output, the only tensor that the operator made.
    var y: Tensor { get }

    /// Writes the output again, the same bits, from inputs and saved memory that are what they were.
    func recompute(on tape: Tape)
}

extension Tape {
    // MARK: Single values

    /// Releases a value that the rest of the forward pass does not need; the backward pass computes it again if it asks
    /// for it.
    ///
    /// While nothing is recorded the value is gone for good. Values that are not the tape's own stay.
    ///
    /// - Parameter tensor: Made by a `RecomputableOperator`, or an alias of such a tensor.
    public func discardUntilBackward(_ tensor: Tensor) {
        let index = root(tensor)
        guard isRecording, slots[index].ownsValue else { return discard(tensor) }
        // The operator that made a tensor is the last whose first slot is not behind it.
        guard let producer = records.lastIndex(where: { $0.firstSlot <= index }),
            let type = records[producer].recomputableType,
            isOutput(index, of: type, at: records[producer].offset)
        else { preconditionFailure("only what an operator can compute again may be discarded until the backward pass") }
        release(index, producer: Int32(producer))
    }

    /// Releases a value that nothing reads again, not even the backward pass.
    public func discard(_ tensor: Tensor) { release(root(tensor), producer: Slot.nobody) }

    private func release(_ index: Int, producer: Int32) {
        guard slots[index].ownsValue, slots[index].producer == Slot.isPresent else { return }
        arena.release(slots[index].value, count: slots[index].count)
        slots[index].producer = producer
    }

    /// Brings back the value of a slot that was discarded until now.
    func recompute(_ index: Int) {
        precondition(slots[index].producer >= 0, "a value was asked for that had been discarded for good")
        let record = records[Int(slots[index].producer)]
        slots[index].value = arena.allocate(slots[index].count)
        slots[index].producer = Slot.isPresent
        recompute(record.recomputableType!, at: record.offset)
    }

    private func recompute<Op: RecomputableOperator>(_: Op.Type, at offset: Int) {
        operatorBytes.load(fromByteOffset: offset, as: Op.self).recompute(on: self)
    }

    private func isOutput<Op: RecomputableOperator>(_ index: Int, of _: Op.Type, at offset: Int) -> Bool {
        root(operatorBytes.load(fromByteOffset: offset, as: Op.self).y) == index
    }

    // MARK: Whole stretches

    /// Runs `body` without recording and keeps nothing but its result, which is the output of the operator that the
    /// caller records: one that reruns `body` with `replay(output:_:)`.
    public func withoutRecording(_ body: () -> Tensor) -> Tensor {
        let wasRecording = isRecording
        isRecording = false
        let result = releasingTemporaries(body)
        isRecording = wasRecording
        slots[Int(result.slot)].requiresGradient = wasRecording
        return result
    }

    /// In the backward pass of an operator: runs `body`, which computes `output` once more, with recording, and
    /// propagates the gradient of `output` back through it.
    public func replay(output: Tensor, _ body: () -> Tensor) {
        let (recordCount, start, wasRecording) = (records.count, mark(), isRecording)
        isRecording = true
        let again = body()
        isRecording = wasRecording
        let isHandedOver = handOverGradient(from: output, to: again)
        precondition(isHandedOver, "the result of a replay must be a new tensor that needs a gradient")
        runBackward(downTo: recordCount)
        releaseTemporaries(since: start)
    }
}
