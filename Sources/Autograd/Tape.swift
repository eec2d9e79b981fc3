import Numerics

/// Records operators as they run and replays them backwards to compute gradients.
///
/// Memory follows the tape: what an operator created (its outputs and saved buffers) is released as soon as its
/// backward has run, since everything that used it comes later on the tape and is done by then. Operators are stored in
/// place in a reused byte buffer, so a step that looks like the one before allocates nothing.
///
/// Not thread-safe; operators spread their work over `pool` themselves.
public final class Tape {
    public let pool: ThreadPool
    public let arena: Arena

    /// Whether operators are recorded. Off for evaluation and generation, where no gradient is wanted.
    public var isRecording = true

    struct Slot {
        var value: UnsafeMutablePointer<Float>
        var gradient: UnsafeMutablePointer<Float>?
        var count: Int
        var requiresGradient: Bool
        /// Whether `gradient` holds a sum that further contributions are added to.
        var hasGradient = false
        /// Whether the value came from the arena and goes back to it.
        var ownsValue: Bool
        /// Whether the gradient comes from the arena; a bound tensor's is the caller's.
        var ownsGradient: Bool
        /// The slot whose value an alias shows; -1 for a value of its own.
        var origin: Int32 = -1
        /// While the value is not there: the record of the operator that can compute it again, or `nobody`.
        var producer = isPresent
        /// Of a bound tensor: the turn whose gradient is in `gradient`.
        var turn = -1
        static let isPresent: Int32 = -1
        static let nobody: Int32 = -2
    }

    struct Record {
        var type: any Operator.Type
        /// The same type where the operator can compute its output again.
        var recomputableType: (any RecomputableOperator.Type)?
        var offset: Int
        /// Slots and saved buffers that existed when the operator's forward began come before these.
        var firstSlot: Int
        var firstSaved: Int
    }

    var slots = SlotTable()
    private var boundCount: Int { slots.bound.count }
    var records: [Record] = []
    var saved: [(pointer: UnsafeMutablePointer<Float>, count: Int)] = []
    var operatorBytes: UnsafeMutableRawBufferPointer
    var operatorBytesUsed = 0

    /// Whose gradients those are that operators compute now; see `GradientTurns`.
    public var turn = 0
    unowned(unsafe) var turns: (any GradientTurns)?
    /// Where linears put off the gradients of their weights, while set; see `DeferredGradients`.
    public var deferral: DeferredGradients?

    public init(pool: ThreadPool, arena: Arena = Arena()) {
        self.pool = pool
        self.arena = arena
        operatorBytes = .allocate(byteCount: 1 << 16, alignment: 16)
    }

    deinit {
        reset()
        operatorBytes.deallocate()
    }

    // MARK: Values

    /// A tensor over memory that outlives the tape's steps: a parameter, or an input that needs no gradient.
    ///
    /// Bind all of them before the first operator of the first step.
    public func bind(
        _ value: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>? = nil, rows: Int, columns: Int
    ) -> Tensor {
        precondition(slots.made.isEmpty, "bind parameters before the first operator")
        slots.bound.append(
            Slot(
                value: value, gradient: gradient, count: rows * columns, requiresGradient: gradient != nil,
                ownsValue: false, ownsGradient: false))
        return Tensor(slot: Int32(slots.count - 1), rows: rows, columns: columns)
    }

    /// An uninitialised tensor that lives until its operator's backward has run, or until `reset()`.
    public func makeTensor(rows: Int, columns: Int, requiresGradient: Bool = true) -> Tensor {
        let count = rows * columns
        slots.append(
            Slot(
                value: arena.allocate(count), gradient: nil, count: count,
                requiresGradient: requiresGradient && isRecording, ownsValue: true, ownsGradient: true))
        return Tensor(slot: Int32(slots.count - 1), rows: rows, columns: columns)
    }

    /// Another tensor with the same elements in the same memory, but a gradient of its own.
    public func makeAlias(of tensor: Tensor) -> Tensor {
        let origin = root(tensor)
        slots.append(
            Slot(
                value: slots[origin].value, gradient: nil, count: tensor.count,
                requiresGradient: requiresGradient(tensor), ownsValue: false, ownsGradient: true,
                origin: Int32(origin)))
        return Tensor(slot: Int32(slots.count - 1), rows: tensor.rows, columns: tensor.columns)
    }

    /// Memory that belongs to the operator about to be recorded, such as the statistics of a norm.
    public func allocateSaved(_ count: Int) -> UnsafeMutablePointer<Float> {
        let pointer = arena.allocate(count)
        saved.append((pointer, count))
        return pointer
    }

    /// Calls `body` with uninitialised memory that is released when it returns.
    public func withScratch<Result>(
        _ count: Int, _ body: (UnsafeMutablePointer<Float>) throws -> Result
    ) rethrows -> Result {
        let pointer = arena.allocate(count)
        defer { arena.release(pointer, count: count) }
        return try body(pointer)
    }

    /// The elements of a tensor, `rows × columns`, row-major; computed again if they were discarded.
    public func value(_ tensor: Tensor) -> UnsafeMutablePointer<Float> {
        let index = root(tensor)
        if slots[index].producer != Slot.isPresent { recompute(index) }
        return slots[index].value
    }

    /// The slot that holds a tensor's value.
    func root(_ tensor: Tensor) -> Int {
        let index = Int(tensor.slot)
        return slots[index].origin < 0 ? index : Int(slots[index].origin)
    }

    public func requiresGradient(_ tensor: Tensor) -> Bool { slots[Int(tensor.slot)].requiresGradient }

    // MARK: Recording

    /// Remembers an operator for the backward pass; does nothing while `isRecording` is off.
    ///
    /// - Parameter mark: what `mark()` returned before the operator's forward made its first tensor.
    public func record<Op: Operator>(_ op: Op, since mark: Mark) {
        append(op, recomputableType: nil, since: mark)
    }

    /// The same for an operator whose output may be discarded until the backward pass.
    public func record<Op: RecomputableOperator>(_ op: Op, since mark: Mark) {
        append(op, recomputableType: Op.self, since: mark)
    }

    private func append<Op: Operator>(_ op: Op, recomputableType: (any RecomputableOperator.Type)?, since mark: Mark) {
        guard isRecording else { return }
        if Profiler.isRecording { profile(op, .forward, since: mark.start) }
        precondition(MemoryLayout<Op>.alignment <= 16)
        let offset = (operatorBytesUsed + 15) / 16 * 16
        let end = offset + MemoryLayout<Op>.size
        if end > operatorBytes.count { growOperatorBytes(to: end) }
        (operatorBytes.baseAddress! + offset).initializeMemory(as: Op.self, to: op)
        operatorBytesUsed = end
        records.append(
            Record(
                type: Op.self, recomputableType: recomputableType, offset: offset, firstSlot: mark.slotCount,
                firstSaved: mark.savedCount))
    }

    /// A place on the tape.
    public struct Mark: BitwiseCopyable, Sendable {
        fileprivate let slotCount: Int
        fileprivate let savedCount: Int
        fileprivate let start: Profiler.Mark
    }

    public func mark() -> Mark { Mark(slotCount: slots.count, savedCount: saved.count, start: Profiler.mark(pool)) }

    /// Operators are moved with their bytes: Swift values do not know their own address.
    private func growOperatorBytes(to size: Int) {
        let byteCount = max(size, operatorBytes.count * 2)
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: operatorBytes[..<operatorBytesUsed]))
        operatorBytes.deallocate()
        operatorBytes = larger
    }

    // MARK: Gradients

    /// The gradient of an operator's output, or nil where nothing that was used downstream depends on it.
    public func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float>? {
        let slot = slots[Int(tensor.slot)]
        return slot.hasGradient ? slot.gradient : nil
    }

    /// Where an operator puts the gradient of one of its inputs.
    public struct GradientSink: BitwiseCopyable {
        public let pointer: UnsafeMutablePointer<Float>
        /// True: add to what is there. False: the memory is uninitialised and must be overwritten in full.
        public let accumulates: Bool
        /// `beta` of a matrix product into this sink.
        public var beta: Float { accumulates ? 1 : 0 }
    }

    /// The place for an input's gradient, or nil where none is wanted. Each call must be followed by a full write.
    public func gradientSink(_ tensor: Tensor) -> GradientSink? {
        let index = Int(tensor.slot)
        guard slots[index].requiresGradient else { return nil }
        if let turns, index < boundCount, slots.bound[index].turn != turn { turns.begin(turn, of: index) }
        let accumulates = slots[index].hasGradient
        if slots[index].gradient == nil { slots[index].gradient = arena.allocate(slots[index].count) }
        slots[index].hasGradient = true
        return GradientSink(pointer: slots[index].gradient!, accumulates: accumulates)
    }

    /// Makes the gradient of `output` that of `input` too (the backward of an identity such as a residual branch).
    ///
    /// Where `input` has none yet the buffer itself changes hands, without a copy; `output` has none afterwards.
    /// Otherwise returns false, and the caller adds it.
    public func handOverGradient(from output: Tensor, to input: Tensor) -> Bool {
        let (from, to) = (Int(output.slot), Int(input.slot))
        guard slots[to].requiresGradient else { return true }
        guard !slots[to].hasGradient, slots[to].ownsGradient, slots[from].hasGradient, slots[from].ownsGradient else {
            return false
        }
        precondition(slots[from].count == slots[to].count)
        slots[to].gradient = slots[from].gradient
        slots[to].hasGradient = true
        slots[from].gradient = nil
        slots[from].hasGradient = false
        return true
    }

    /// Adds the gradient of `output` to that of `input`, an identity's backward, without a copy where possible.
    public func passGradient(from output: Tensor, to input: Tensor) {
        guard let source = gradient(output), !handOverGradient(from: output, to: input),
            let sink = gradientSink(input)
        else { return }
        pool.forEachRange(output.count, tileSize: 1 << 15) { range, _ in
            if sink.accumulates {
                for index in range { sink.pointer[index] += source[index] }
            } else {
                (sink.pointer + range.lowerBound).update(from: source + range.lowerBound, count: range.count)
            }
        }
    }

    /// Begins a new sum in every bound gradient: the first contribution overwrites what is there.
    public func startGradients() {
        for index in 0..<boundCount { slots.bound[index].hasGradient = false }
    }

    /// Whether a bound tensor has received a gradient since `startGradients()`; others hold stale numbers.
    public func hasGradient(_ tensor: Tensor) -> Bool { slots[Int(tensor.slot)].hasGradient }

    /// Zeroes every bound gradient that received nothing since `startGradients()`, or those of `first` and of the tensors
    /// bound after it.
    public func zeroUntouchedGradients(from first: Tensor? = nil) {
        for index in Int(first?.slot ?? 0)..<boundCount where slots[index].requiresGradient && !slots[index].hasGradient
        {
            slots[index].gradient!.update(repeating: 0, count: slots[index].count)
            slots[index].hasGradient = true
        }
    }

    /// Runs every recorded operator's backward, last first, releasing each one's memory, and leaves the tape empty.
    ///
    /// Operators that end a computation (losses) supply the first gradients themselves.
    public func backward() {
        runBackward()
        reset()
    }

    /// Runs the backward of every operator behind the first `count`.
    func runBackward(downTo count: Int = 0) {
        while records.count > count {
            let record = records[records.count - 1]
            run(record.type, at: record.offset)
            records.removeLast()
            operatorBytesUsed = record.offset
            releaseSlots(from: record.firstSlot)
            releaseSaved(from: record.firstSaved)
        }
    }

    private func run<Op: Operator>(_: Op.Type, at offset: Int) {
        // The operator is moved out first, so that one whose backward records and replays a part of its own
        // (activation recomputation) finds the byte buffer free to grow.
        let op = (operatorBytes.baseAddress! + offset).assumingMemoryBound(to: Op.self).move()
        let start = Profiler.mark(pool)
        op.backward(on: self)
        if Profiler.isRecording { profile(op, .backward, since: start) }
    }

    private func profile<Op: Operator>(_ op: Op, _ kind: Trace.Kind, since start: Profiler.Mark) {
        let cost = op.cost(on: self)
        Profiler.record(
            since: start, kind, Op.name, shape: cost.shape, work: kind == .forward ? cost.forward : cost.backward,
            pool: pool, memory: Trace.Memory(inUse: arena.bytesInUse, reserved: arena.bytesReserved))
    }

    /// Releases every temporary and forgets every operator. Bound tensors stay.
    public func reset() {
        while let record = records.popLast() { Self.destroy(record.type, at: record.offset, in: operatorBytes) }
        operatorBytesUsed = 0
        releaseSlots(from: boundCount)
        releaseSaved(from: 0)
    }

    /// Ends the life of an operator that will not run backward.
    static func destroy<Op: Operator>(_: Op.Type, at offset: Int, in bytes: UnsafeMutableRawBufferPointer) {
        (bytes.baseAddress! + offset).assumingMemoryBound(to: Op.self).deinitialize(count: 1)
    }

    private func releaseSlots(from first: Int) {
        while slots.count > max(first, boundCount) {
            let slot = slots.removeLast()
            if slot.ownsValue, slot.producer == Slot.isPresent { arena.release(slot.value, count: slot.count) }
            if slot.ownsGradient, let gradient = slot.gradient { arena.release(gradient, count: slot.count) }
        }
    }

    func releaseTemporaries(since mark: Mark) {
        releaseSlots(from: mark.slotCount)
        releaseSaved(from: mark.savedCount)
    }

    private func releaseSaved(from first: Int) {
        while saved.count > first {
            let buffer = saved.removeLast()
            arena.release(buffer.pointer, count: buffer.count)
        }
    }

    /// While not recording: runs `body` and releases everything it made but its result.
    ///
    /// Keeps a long evaluation at the memory of one block.
    public func releasingTemporaries(_ body: () -> Tensor) -> Tensor {
        guard !isRecording else { return body() }
        let first = slots.count
        let result = body()
        precondition(
            Int(result.slot) >= first && slots[Int(result.slot)].ownsValue, "the result must have been made inside")
        let kept = slots[Int(result.slot)]
        slots[Int(result.slot)].ownsValue = false
        releaseSlots(from: first)
        slots.append(kept)
        return Tensor(slot: Int32(first), rows: result.rows, columns: result.columns)
    }
}
