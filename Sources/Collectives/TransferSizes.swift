/// Where transfers are cut. The defaults are measured; tests use small ones to cross every border with small buffers.
package struct TransferSizes: Sendable {
    /// The most that one MPI call moves; its counts are 32-bit.
    package var messageBytes = 1 << 30
    /// What exchanges cut their data into: below the 64 KiB up to which Open MPI over TCP does not ask before it sends.
    package var pieceBytes = 60 << 10
    /// Reductions over MPI work through longer buffers in chunks of this, which bounds their scratch memory.
    package var exchangeChunkBytes = 4 << 20
    /// … and of more when this much for each rank is more: short messages are dear when there are many ranks.
    package var segmentBytes = 64 << 10
    /// Up to this many bytes over all ranks, everyone sends everything to everyone and reduces by itself: one message
    /// delay instead of two.
    package var smallExchangeBytes = 64 << 10
    /// Reductions of ordinary memory inside a host pass through chunks of this for each rank: they stay in its
    /// second-level cache.
    package var stagingBytes = 128 << 10
    /// Up to this many bytes, every rank of a host reduces the whole by itself: one barrier instead of two.
    package var smallBytes = 16 << 10

    package init() {}
}
