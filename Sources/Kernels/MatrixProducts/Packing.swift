// Factors are copied into the order in which register tiles read them, once for many uses, so that the inner loop reads
// whole cache lines one after the other.

/// Copies panels of the right factor that lie side by side: `[panel][depth, width]`, columns beyond the factor's filled
/// with zeros.
///
/// - Parameters:
///   - b: starts at the first panel's first row and column.
///   - columns: of the factor in these panels.
///   - width: a multiple of 8.
@inline(__always)
func packRightPanels(
    _ b: MatrixFactor, depth: Int, columns: Int, width: Int, into panels: UnsafeMutablePointer<Float>
) {
    let whole = columns / width
    if b.isTransposed {
        for panel in 0..<whole {
            transposeRows(
                b.pointer + panel &* width &* b.stride, stride: b.stride, count: depth, rows: width,
                into: panels + panel &* width &* depth, targetStride: width)
        }
    } else {
        // Along the rows, so that memory is read in order.
        for k in 0..<depth {
            for panel in 0..<whole {
                let source = b.pointer + (k &* b.stride &+ panel &* width)
                let target = panels + (panel &* depth &+ k) &* width
                var column = 0
                while column < width {
                    copyEight(source + column, to: target + column)
                    column &+= 8
                }
            }
        }
    }
    if whole &* width < columns {
        packEdge(
            b.dropping(rows: 0, columns: whole &* width), depth: depth, columns: columns &- whole &* width,
            width: width,
            into: panels + whole &* width &* depth)
    }
}

/// A panel of which only the first columns are the factor's.
private func packEdge(
    _ b: MatrixFactor, depth: Int, columns: Int, width: Int, into panel: UnsafeMutablePointer<Float>
) {
    let (rowStride, columnStride) = b.isTransposed ? (1, b.stride) : (b.stride, 1)
    for k in 0..<depth {
        let target = panel + k * width
        for column in 0..<columns { target[column] = b.pointer[k * rowStride + column * columnStride] }
        for column in columns..<width { target[column] = 0 }
    }
}

/// Copies rows of a transposed left factor, cut into panels of `height` rows: `[panel][depth][height]`.
///
/// In the last panel, what belongs to no row is left as it is.
///
/// - Parameter height: 6 or 8.
@inline(__always)
func packLeftPanels(
    _ a: MatrixFactor, depth: Int, rows: Int, height: Int, into panels: UnsafeMutablePointer<Float>
) {
    // Eight floats are copied at a time also for panels of six: the two too many are overwritten by the next copy. At
    // the end of a panel, and where the factor may end, there is none.
    let wholePanels = max(0, (rows &- (8 &- height)) / height)
    // Some rows at a time, so that they stay in the cache while they are cut up.
    var start = 0
    while start < depth {
        let end = min(start &+ 16, depth)
        let wideEnd = height == 8 ? end : min(end, depth &- 1)
        for panel in 0..<wholePanels {
            let target = panels + panel &* height &* depth
            let source = a.pointer + panel &* height
            for k in start..<wideEnd { copyEight(source + k &* a.stride, to: target + k &* height) }
            for k in wideEnd..<end {
                for row in 0..<height { target[k &* height &+ row] = source[k &* a.stride &+ row] }
            }
        }
        var first = wholePanels &* height
        while first < rows {
            let count = min(height, rows &- first)
            let target = panels + first &* depth
            for k in start..<end {
                for row in 0..<count { target[k &* height &+ row] = a.pointer[k &* a.stride &+ first &+ row] }
            }
            first &+= height
        }
        start = end
    }
}

@inline(__always)
private func copyEight(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(target).storeBytes(
        of: UnsafeRawPointer(source).loadUnaligned(as: SIMD8<Float>.self), as: SIMD8<Float>.self)
}

/// Writes the transpose of some rows: element (r, k) goes to `target[k·targetStride + r]`.
@inline(__always)
func transposeRows(
    _ source: UnsafePointer<Float>, stride: Int, count: Int, rows: Int, into target: UnsafeMutablePointer<Float>,
    targetStride: Int
) {
    var k = 0
    while k < count {
        var row = 0
        if k &+ 4 <= count {
            while row &+ 8 <= rows {
                transposeBlock(
                    source + (row &* stride &+ k), stride: stride, into: target + (k &* targetStride &+ row),
                    targetStride)
                row &+= 8
            }
        }
        let end = min(k &+ 4, count)
        while row < rows {
            for element in k..<end { target[element &* targetStride &+ row] = source[row &* stride &+ element] }
            row &+= 1
        }
        k = end
    }
}

/// Transposes 8 rows of 4 elements: rows 0 to 3 in the lower halves of the vectors, rows 4 to 7 in the upper ones.
@inline(__always)
private func transposeBlock(
    _ source: UnsafePointer<Float>, stride: Int, into target: UnsafeMutablePointer<Float>, _ targetStride: Int
) {
    @inline(__always)
    func rows(_ row: Int) -> SIMD8<Float> {
        SIMD8(
            lowHalf: UnsafeRawPointer(source + row &* stride).loadUnaligned(as: SIMD4<Float>.self),
            highHalf: UnsafeRawPointer(source + (row &+ 4) &* stride).loadUnaligned(as: SIMD4<Float>.self))
    }
    @inline(__always)
    func store(_ vector: SIMD8<Float>, column: Int) {
        UnsafeMutableRawPointer(target + column &* targetStride).storeBytes(of: vector, as: SIMD8<Float>.self)
    }
    let (row0, row1, row2, row3) = (rows(0), rows(1), rows(2), rows(3))
    let (low01, low23) = (interleaveLow(row0, row1), interleaveLow(row2, row3))
    let (high01, high23) = (interleaveHigh(row0, row1), interleaveHigh(row2, row3))
    store(joinLow(low01, low23), column: 0)
    store(joinHigh(low01, low23), column: 1)
    store(joinLow(high01, high23), column: 2)
    store(joinHigh(high01, high23), column: 3)
}

// Each of these is one shuffle instruction, which works on both halves of 128 bits alike.

/// a0 b0 a1 b1 of each half.
@inline(__always)
private func interleaveLow(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
    SIMD8(
        lowHalf: interleave(a.lowHalf.lowHalf, b.lowHalf.lowHalf),
        highHalf: interleave(a.highHalf.lowHalf, b.highHalf.lowHalf))
}

/// a2 b2 a3 b3 of each half.
@inline(__always)
private func interleaveHigh(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
    SIMD8(
        lowHalf: interleave(a.lowHalf.highHalf, b.lowHalf.highHalf),
        highHalf: interleave(a.highHalf.highHalf, b.highHalf.highHalf))
}

/// a0 a1 b0 b1 of each half.
@inline(__always)
private func joinLow(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
    SIMD8(
        lowHalf: SIMD4(lowHalf: a.lowHalf.lowHalf, highHalf: b.lowHalf.lowHalf),
        highHalf: SIMD4(lowHalf: a.highHalf.lowHalf, highHalf: b.highHalf.lowHalf))
}

/// a2 a3 b2 b3 of each half.
@inline(__always)
private func joinHigh(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
    SIMD8(
        lowHalf: SIMD4(lowHalf: a.lowHalf.highHalf, highHalf: b.lowHalf.highHalf),
        highHalf: SIMD4(lowHalf: a.highHalf.highHalf, highHalf: b.highHalf.highHalf))
}

@inline(__always)
private func interleave(_ a: SIMD2<Float>, _ b: SIMD2<Float>) -> SIMD4<Float> {
    var result = SIMD4<Float>()
    result.evenHalf = a
    result.oddHalf = b
    return result
}
