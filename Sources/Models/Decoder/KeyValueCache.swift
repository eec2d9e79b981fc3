import Autograd

/// Keys and values of every block for the tokens seen so far, so that each new token costs one row.
public struct KeyValueCache {
    private let layers: [KeyValueCacheLayer]

    /// - Parameter parameters: Decide how many of the key/value heads this rank holds.
    public init(_ decoder: Decoder, batchSize: Int, parameters: ParameterBindings) {
        layers = decoder.blocks.map { block in
            KeyValueCacheLayer(
                batch: batchSize, contextLength: decoder.configuration.contextLength,
                keyValueHeads: block.attention.keyValueHeads(parameters), headSize: decoder.configuration.headSize)
        }
    }

    subscript(block: Int) -> KeyValueCacheLayer { layers[block] }

    /// Tokens seen so far.
    public var length: Int { layers.first?.length ?? 0 }
}
