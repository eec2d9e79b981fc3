import Foundation
import Models

/// The JSON documents that stand beside the weights.
extension HuggingFaceExport {
    /// What transformers builds the model from.
    var configuration: JSONValue {
        var fields = model.architecture == .gpt2 ? gpt2Fields : llamaFields
        let end = endOfText.map { JSONValue.integer(Int64($0)) } ?? .null
        fields["bos_token_id"] = end
        fields["eos_token_id"] = end
        fields["initializer_range"] = number(model.initializerRange)
        fields["tie_word_embeddings"] = .bool(model.tiedEmbeddings)
        fields["torch_dtype"] = .string(type == .bfloat16 ? "bfloat16" : "float32")
        fields["vocab_size"] = integer(model.vocabularySize)
        return .object(fields)
    }

    private var gpt2Fields: [String: JSONValue] {
        let dropout = number(model.dropout)
        return [
            "model_type": .string("gpt2"), "architectures": .array([.string("GPT2LMHeadModel")]),
            "n_positions": integer(model.contextLength), "n_embd": integer(model.hiddenSize),
            "n_layer": integer(model.layers), "n_head": integer(model.heads),
            "n_inner": integer(model.feedForwardSize), "activation_function": .string("gelu_new"),
            "layer_norm_epsilon": number(model.normEpsilon), "embd_pdrop": dropout, "attn_pdrop": dropout,
            "resid_pdrop": dropout,
        ]
    }

    private var llamaFields: [String: JSONValue] {
        [
            "model_type": .string("llama"), "architectures": .array([.string("LlamaForCausalLM")]),
            "max_position_embeddings": integer(model.contextLength), "hidden_size": integer(model.hiddenSize),
            "num_hidden_layers": integer(model.layers), "num_attention_heads": integer(model.heads),
            "num_key_value_heads": integer(model.keyValueHeads), "head_dim": integer(model.headSize),
            "intermediate_size": integer(model.feedForwardSize), "hidden_act": .string("silu"),
            "rms_norm_eps": number(model.normEpsilon), "rope_theta": number(model.ropeTheta),
            "attention_bias": .bool(false), "mlp_bias": .bool(false), "attention_dropout": number(model.dropout),
        ]
    }

    /// How transformers' `generate` begins and ends.
    var generationConfiguration: JSONValue {
        let end = endOfText.map { JSONValue.integer(Int64($0)) } ?? .null
        return .object(["_from_model_config": .bool(true), "bos_token_id": end, "eos_token_id": end])
    }

    /// Which file of several holds which tensor.
    static func index(_ files: [(name: String, tensors: [String])], bytes: Int) -> JSONValue {
        let pairs = files.flatMap { file in file.tensors.map { ($0, JSONValue.string(file.name)) } }
        return .object([
            "metadata": .object(["total_size": .integer(Int64(bytes))]),
            "weight_map": .object(Dictionary(uniqueKeysWithValues: pairs)),
        ])
    }

    static func document(_ value: JSONValue) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
    }

    private func integer(_ value: Int) -> JSONValue { .integer(Int64(value)) }

    /// The shortest decimal that is this `Float`: 1e-05, not 9.999999747e-06.
    private func number(_ value: Float) -> JSONValue { .number(Double("\(value)")!) }
}
