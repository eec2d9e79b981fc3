import Models
import Testing

@Suite struct ModelConfigurationTests {
    private static let configurations = [
        ModelConfiguration(
            architecture: .gpt2, layers: 12, hiddenSize: 768, heads: 12, contextLength: 1024, vocabularySize: 50_257),
        ModelConfiguration(
            architecture: .llama, layers: 30, hiddenSize: 576, heads: 9, keyValueHeads: 3, feedForwardSize: 1536,
            contextLength: 2048, vocabularySize: 49_152, tiedEmbeddings: true),
        ModelConfiguration(
            architecture: .llama, layers: 2, hiddenSize: 64, heads: 4, contextLength: 32, vocabularySize: 99,
            tiedEmbeddings: false),
    ]

    @Test(arguments: configurations)
    func theFormulaCountsWhatTheModelDeclares(_ configuration: ModelConfiguration) {
        let declared = Decoder(configuration).declarations.specifications.reduce(0) { $0 + $1.count }
        #expect(configuration.parameterCount == declared)
    }

    @Test func publishedSizes() {
        // GPT-2 "124M" and SmolLM-135M as their authors' weights count.
        #expect(Self.configurations[0].parameterCount == 124_439_808)
        #expect(Self.configurations[1].parameterCount == 134_515_008)
    }

    @Test func namesAreUnique() {
        for configuration in Self.configurations {
            let names = Decoder(configuration).declarations.specifications.map(\.name)
            #expect(Set(names).count == names.count)
        }
    }

    @Test func onlyMatricesDecay() {
        for specification in Decoder(Self.configurations[0]).declarations.specifications {
            let isPositionTable = specification.name == "positions.weight"
            #expect(specification.isDecayed == (specification.shape.count == 2 && !isPositionTable))
        }
    }

    @Test func trainingFLOPs() {
        // 6 · (124,439,808 − 1024 · 768) · 1024 + 6 · 12 · 768 · 1024 · 1024
        #expect(
            Self.configurations[0].trainingFLOPs(tokens: 1024, sequenceLength: 1024)
                == 6.0 * 123_653_376 * 1024 + 6.0 * 12 * 768 * 1024 * 1024)
    }
}
