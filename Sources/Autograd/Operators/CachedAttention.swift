import Kernels

extension Tape {
    /// Causal attention of new positions over themselves and all cached ones: the numbers `causalAttention` gives for
    /// these rows of the whole sequences. Never recorded.
    ///
    /// - Parameters:
    ///   - qkv: `[batch·sequence, (heads + 2·keyValueHeads)·headSize]` of the positions that follow the cached ones;
    ///     with `rotary` queries and keys are rotated in place.
    ///   - shape: `sequence` counts the new positions.
    ///   - cache: receives the new keys and values.
    /// - Returns: `[batch·sequence, heads·headSize]`.
    public func cachedAttention(
        _ qkv: Tensor, _ shape: AttentionShape, cache: KeyValueCacheLayer, rotary: RotaryTable? = nil
    ) -> Tensor {
        shape.check(qkv, operation: "cachedAttention")
        precondition(
            cache.batch == shape.batch && cache.columns == shape.keyValueColumns,
            """
            cachedAttention: a cache for \(cache.batch) sequences of \(cache.columns) columns cannot take \(shape.batch) of \
            \(shape.keyValueColumns)
            """)
        let firstPosition = cache.length
        precondition(
            firstPosition + shape.sequence <= cache.contextLength,
            """
            cachedAttention: \(shape.sequence) positions after \(firstPosition) do not fit the cache of \
            \(cache.contextLength)
            """)
        if let rotary {
            rotate(
                value(qkv), shape, by: rotary,
                TokenPositions(sequenceLength: shape.sequence, firstPosition: firstPosition))
        }
        cache.append(value(qkv), shape)
        let y = makeTensor(rows: shape.tokens, columns: shape.outputColumns, requiresGradient: false)
        attend(
            AttentionInputs(queriesOf: value(qkv), shape: shape, cache: cache, firstPosition: firstPosition),
            into: value(y), logSumExp: nil)
        return y
    }
}
