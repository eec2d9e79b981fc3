extension MPICommunicator {
    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String) {
        reduceToAll(buffer, reduction, label: label)
    }

    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>, _ reduction: Reduction, label: String) {
        reduceToAll(buffer, reduction, label: label)
    }

    public func allReduce(_ buffer: UnsafeMutableBufferPointer<Int64>, _ reduction: Reduction, label: String) {
        reduceToAll(buffer, reduction, label: label)
    }

    private func reduceToAll<Element: ReducibleElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction, label: String
    ) {
        let stride = MemoryLayout<Element>.stride
        calls.begin(.allReduce, label: label, bytes: buffer.count * stride)
        defer { calls.end() }
        guard buffer.count > 0, let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return }
        meetForProfile()
        if buffer.count * stride * size <= sizes.smallExchangeBytes {
            contribution[0] = UnsafeRawPointer(base)
            exchange.reduceWhole(contribution, reduction, count: buffer.count, of: Element.self, into: base)
            return
        }
        let chunk = max(chunkBytes / stride, size)
        for start in Swift.stride(from: 0, to: buffer.count, by: chunk) {
            exchange.setEvenSegments(count: min(chunk, buffer.count - start))
            let chunkBase = base + start * stride
            contribution[0] = UnsafeRawPointer(chunkBase)
            exchange.reduceSegments(
                contribution, reduction, of: Element.self,
                into: chunkBase + exchange.segments[rank].lowerBound * stride)
            exchange.gatherSegments(chunkBase, stride: stride)
        }
    }

    public func reduceScatter(_ buffer: UnsafeMutableBufferPointer<Float>, _ reduction: Reduction, label: String) {
        let stride = MemoryLayout<Float>.stride
        let part = partCount(of: buffer.count, label: label)
        calls.begin(.reduceScatter, label: label, bytes: buffer.count * stride)
        defer { calls.end() }
        guard part > 0, let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return }
        meetForProfile()
        let chunk = max(chunkBytes / stride / size, 1)
        contribution[0] = UnsafeRawPointer(base)
        for start in Swift.stride(from: 0, to: part, by: chunk) {
            let end = min(start + chunk, part)
            for rank in 0..<size { exchange.segments[rank] = rank * part + start..<rank * part + end }
            exchange.reduceSegments(
                contribution, reduction, of: Float.self, into: base + (rank * part + start) * stride)
        }
    }

    public func allGather(_ buffer: UnsafeMutableBufferPointer<Float>, label: String) {
        let stride = MemoryLayout<Float>.stride
        let part = partCount(of: buffer.count, label: label)
        calls.begin(.allGather, label: label, bytes: buffer.count * stride)
        defer { calls.end() }
        guard part > 0, let base = UnsafeMutableRawPointer(buffer.baseAddress) else { return }
        meetForProfile()
        for rank in 0..<size { exchange.segments[rank] = rank * part..<(rank + 1) * part }
        exchange.gatherSegments(base, stride: stride)
    }

    public func allToAll(
        _ source: UnsafeBufferPointer<Float>, into destination: UnsafeMutableBufferPointer<Float>, label: String
    ) {
        let part = partCount(of: source.count, label: label)
        precondition(
            source.count == destination.count,
            "all-to-all '\(label)': source has \(source.count) elements, destination \(destination.count)")
        calls.begin(.allToAll, label: label, bytes: source.count * MemoryLayout<Float>.stride)
        defer { calls.end() }
        guard part > 0, let from = source.baseAddress, let to = destination.baseAddress else { return }
        meetForProfile()
        (to + rank * part).update(from: from + rank * part, count: part)
        for step in 1..<size {
            let receiver = (rank + step) % size
            let sender = (rank - step + size) % size
            group.exchange(
                send: UnsafeRawBufferPointer(UnsafeBufferPointer(start: from + receiver * part, count: part)),
                to: receiver,
                receive: UnsafeMutableRawBufferPointer(
                    UnsafeMutableBufferPointer(start: to + sender * part, count: part)),
                from: sender)
        }
    }

    public func gatherToAll(_ bytes: [UInt8], label: String) -> [[UInt8]] {
        calls.begin(.gatherToAll, label: label, bytes: bytes.count)
        defer { calls.end() }
        let lengths = group.allGather(bytes.count)
        var parts = lengths.map { [UInt8](repeating: 0, count: $0) }
        parts[rank] = bytes
        for step in 1..<size {
            let to = (rank + step) % size
            let from = (rank - step + size) % size
            bytes.withUnsafeBytes { mine in
                parts[from].withUnsafeMutableBytes { theirs in
                    group.exchange(send: mine, to: to, receive: theirs, from: from)
                }
            }
        }
        return parts
    }

    /// What one round of an exchange works on.
    private var chunkBytes: Int { max(sizes.exchangeChunkBytes, sizes.segmentBytes * size) }

    private func partCount(of count: Int, label: String) -> Int {
        precondition(count.isMultiple(of: size), "'\(label)': \(count) elements are not \(size) equal parts")
        return count / size
    }
}
