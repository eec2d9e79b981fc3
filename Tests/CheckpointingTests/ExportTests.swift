import Checkpointing
import Collectives
import Foundation
import Models
import Numerics
import TestSupport
import Testing

@Suite struct ExportTests {
    private static let gpt2 = ModelConfiguration(
        architecture: .gpt2, layers: 2, hiddenSize: 8, heads: 2, contextLength: 6, vocabularySize: 11, dropout: 0.1)
    private static let llama = ModelConfiguration(
        architecture: .llama, layers: 2, hiddenSize: 8, heads: 4, keyValueHeads: 2, feedForwardSize: 12,
        contextLength: 6, vocabularySize: 11, tiedEmbeddings: false)

    /// A checkpoint of a model in which element `i` of parameter `p` is p + i/1024, with a moment that must stay behind.
    private func withCheckpoint(
        _ model: ModelConfiguration, without missing: String? = nil, _ body: (CheckpointReader, URL) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            let parameters = Decoder(model).declarations.specifications.enumerated().filter { $1.name != missing }
            let buffers = parameters.map { index, parameter in
                let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.count)
                for element in buffer.indices { buffer[element] = Float(index) + Float(element) / 1024 }
                return buffer
            }
            defer { for buffer in buffers { buffer.deallocate() } }
            var tensors = zip(parameters, buffers).map { parameter, buffer in
                CheckpointTensor(
                    name: "model/\(parameter.1.name)", shape: parameter.1.shape,
                    slice: parameter.1.shape.map { 0..<$0 }, values: .float32(buffer))
            }
            tensors.append(
                CheckpointTensor(
                    name: "optimizer/firstMoment/\(parameters[0].1.name)", shape: parameters[0].1.shape,
                    slice: parameters[0].1.shape.map { 0..<$0 }, values: .float32(buffers[0])))
            let run = folder.appendingPathComponent("run").path
            try CheckpointWriter.save(
                folder: CheckpointFolder(run), step: 3, tensors: tensors, state: sampleState,
                communicator: SingleProcessCommunicator())
            try body(try CheckpointReader(run), folder)
        }
    }

    /// Element of a parameter of `withCheckpoint`.
    private func element(_ model: ModelConfiguration, _ name: String, _ index: Int) throws -> Float {
        let position = try #require(Decoder(model).declarations.specifications.firstIndex { $0.name == name })
        return Float(position) + Float(index) / 1024
    }

    private func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    /// The names and shapes that transformers 4 documents for these two classes, one block written out.
    @Test func gpt2HasTheNamesAndShapesOfGPT2LMHeadModel() throws {
        try withCheckpoint(Self.gpt2) { reader, folder in
            let output = folder.appendingPathComponent("exported")
            let summary = try HuggingFaceExport(Self.gpt2, as: .float32).write(from: reader, to: output.path)
            #expect(summary.files == ["config.json", "generation_config.json", "model.safetensors"])
            #expect(try names(in: output) == summary.files)
            let file = try SafetensorsFile(output.appendingPathComponent("model.safetensors").path)
            #expect(file.header.metadata == ["format": "pt"])
            #expect(file.names.count == 4 + 2 * 12)
            let expected = [
                "transformer.wte.weight": [11, 8], "transformer.wpe.weight": [6, 8],
                "transformer.h.1.ln_1.weight": [8], "transformer.h.1.ln_1.bias": [8],
                "transformer.h.1.attn.c_attn.weight": [8, 24], "transformer.h.1.attn.c_attn.bias": [24],
                "transformer.h.1.attn.c_proj.weight": [8, 8], "transformer.h.1.attn.c_proj.bias": [8],
                "transformer.h.1.ln_2.weight": [8], "transformer.h.1.ln_2.bias": [8],
                "transformer.h.1.mlp.c_fc.weight": [8, 32], "transformer.h.1.mlp.c_fc.bias": [32],
                "transformer.h.1.mlp.c_proj.weight": [32, 8], "transformer.h.1.mlp.c_proj.bias": [8],
                "transformer.ln_f.weight": [8], "transformer.ln_f.bias": [8],
            ]
            for (name, shape) in expected {
                let tensor = try file.tensor(name)
                #expect(tensor.shape == shape && tensor.type == .float32, "\(name)")
            }
        }
    }

    /// Inputs in rows: column j of `c_attn` is row j of the query, key or value matrix.
    @Test func gpt2LinearsAreTransposedAndStacked() throws {
        try withCheckpoint(Self.gpt2) { reader, folder in
            let output = folder.appendingPathComponent("exported").path
            try HuggingFaceExport(Self.gpt2, as: .float32).write(from: reader, to: output)
            let file = try SafetensorsFile("\(output)/model.safetensors")
            let stacked = try file.readFloats("transformer.h.1.attn.c_attn.weight")
            let bias = try file.readFloats("transformer.h.1.attn.c_attn.bias")
            for (part, name) in ["query", "key", "value"].enumerated() {
                for row in 0..<8 {
                    #expect(try bias[part * 8 + row] == element(Self.gpt2, "blocks.1.attention.\(name).bias", row))
                    for input in 0..<8 {
                        let expected = try element(Self.gpt2, "blocks.1.attention.\(name).weight", row * 8 + input)
                        #expect(stacked[input * 24 + part * 8 + row] == expected)
                    }
                }
            }
            let down = try file.readFloats("transformer.h.0.mlp.c_proj.weight")
            for (input, row) in [(0, 0), (31, 7), (5, 3)] {
                #expect(
                    try down[input * 8 + row]
                        == element(Self.gpt2, "blocks.0.feedForward.down.weight", row * 32 + input))
            }
            let table = try file.readFloats("transformer.wpe.weight")
            #expect(try table[13] == element(Self.gpt2, "positions.weight", 13))
        }
    }

    @Test func llamaHasTheNamesAndShapesOfLlamaForCausalLM() throws {
        try withCheckpoint(Self.llama) { reader, folder in
            let output = folder.appendingPathComponent("exported").path
            try HuggingFaceExport(Self.llama, as: .float32).write(from: reader, to: output)
            let file = try SafetensorsFile("\(output)/model.safetensors")
            #expect(file.names.count == 3 + 2 * 9)
            let expected = [
                ("model.embed_tokens.weight", "embedding.weight", [11, 8]),
                ("model.layers.1.input_layernorm.weight", "blocks.1.attentionNorm.weight", [8]),
                ("model.layers.1.self_attn.q_proj.weight", "blocks.1.attention.query.weight", [8, 8]),
                ("model.layers.1.self_attn.k_proj.weight", "blocks.1.attention.key.weight", [4, 8]),
                ("model.layers.1.self_attn.v_proj.weight", "blocks.1.attention.value.weight", [4, 8]),
                ("model.layers.1.self_attn.o_proj.weight", "blocks.1.attention.output.weight", [8, 8]),
                ("model.layers.1.post_attention_layernorm.weight", "blocks.1.feedForwardNorm.weight", [8]),
                ("model.layers.1.mlp.gate_proj.weight", "blocks.1.feedForward.gate.weight", [12, 8]),
                ("model.layers.1.mlp.up_proj.weight", "blocks.1.feedForward.up.weight", [12, 8]),
                ("model.layers.1.mlp.down_proj.weight", "blocks.1.feedForward.down.weight", [8, 12]),
                ("model.norm.weight", "finalNorm.weight", [8]), ("lm_head.weight", "head.weight", [11, 8]),
            ]
            for (name, source, shape) in expected {
                #expect(try file.tensor(name).shape == shape, "\(name)")
                let values = try file.readFloats(name)
                #expect(try values == values.indices.map { try element(Self.llama, source, $0) }, "\(name)")
            }
        }
    }

    @Test func configurationsSayWhatTransformersNeeds() throws {
        func document(_ model: ModelConfiguration, _ name: String) throws -> [String: JSONValue] {
            var fields: [String: JSONValue] = [:]
            try withCheckpoint(model) { reader, folder in
                let output = folder.appendingPathComponent("exported")
                try HuggingFaceExport(model, as: .bfloat16, endOfText: 10, tokenizer: Array("{}".utf8))
                    .write(from: reader, to: output.path)
                #expect(try Data(contentsOf: output.appendingPathComponent("tokenizer.json")) == Data("{}".utf8))
                fields = try JSONDecoder().decode(
                    [String: JSONValue].self, from: Data(contentsOf: output.appendingPathComponent(name)))
            }
            return fields
        }
        let gpt2: [String: JSONValue] = [
            "model_type": .string("gpt2"), "architectures": .array([.string("GPT2LMHeadModel")]),
            "vocab_size": .integer(11), "n_positions": .integer(6), "n_embd": .integer(8), "n_layer": .integer(2),
            "n_head": .integer(2), "n_inner": .integer(32), "activation_function": .string("gelu_new"),
            "layer_norm_epsilon": .number(1e-5), "embd_pdrop": .number(0.1), "attn_pdrop": .number(0.1),
            "resid_pdrop": .number(0.1), "initializer_range": .number(0.02), "tie_word_embeddings": .bool(true),
            "torch_dtype": .string("bfloat16"), "bos_token_id": .integer(10), "eos_token_id": .integer(10),
        ]
        #expect(try document(Self.gpt2, "config.json") == gpt2)
        let llama: [String: JSONValue] = [
            "model_type": .string("llama"), "architectures": .array([.string("LlamaForCausalLM")]),
            "vocab_size": .integer(11), "max_position_embeddings": .integer(6), "hidden_size": .integer(8),
            "num_hidden_layers": .integer(2), "num_attention_heads": .integer(4), "num_key_value_heads": .integer(2),
            "head_dim": .integer(2), "intermediate_size": .integer(12), "hidden_act": .string("silu"),
            "rms_norm_eps": .number(1e-5), "rope_theta": .integer(10_000), "attention_bias": .bool(false),
            "mlp_bias": .bool(false), "attention_dropout": .integer(0), "initializer_range": .number(0.02),
            "tie_word_embeddings": .bool(false), "torch_dtype": .string("bfloat16"), "bos_token_id": .integer(10),
            "eos_token_id": .integer(10),
        ]
        #expect(try document(Self.llama, "config.json") == llama)
        #expect(
            try document(Self.llama, "generation_config.json") == [
                "_from_model_config": .bool(true), "bos_token_id": .integer(10), "eos_token_id": .integer(10),
            ])
    }

    @Test func bfloat16IsTheNearest() throws {
        try withCheckpoint(Self.gpt2) { reader, folder in
            for type in [ElementType.float32, .bfloat16] {
                let output = folder.appendingPathComponent(type.rawValue).path
                try HuggingFaceExport(Self.gpt2, as: type).write(from: reader, to: output)
            }
            let single = try SafetensorsFile(folder.appendingPathComponent("F32/model.safetensors").path)
            let half = try SafetensorsFile(folder.appendingPathComponent("BF16/model.safetensors").path)
            #expect(single.names == half.names)
            for name in single.names {
                #expect(try half.tensor(name).type == .bfloat16)
                let rounded = try single.readFloats(name).map { BFloat16.widen(BFloat16.round($0)) }
                #expect(try half.readFloats(name) == rounded, "\(name)")
            }
        }
    }

    @Test func weightsAboveTheLimitAreSpreadOverFiles() throws {
        try withCheckpoint(Self.llama) { reader, folder in
            var export = try HuggingFaceExport(Self.llama, as: .float32)
            let whole = folder.appendingPathComponent("whole").path
            let bytes = try export.write(from: reader, to: whole).tensorBytes
            export.maximumFileBytes = 1000
            let parts = folder.appendingPathComponent("parts").path
            let summary = try export.write(from: reader, to: parts)
            let files = summary.files.filter { $0.hasSuffix(".safetensors") }
            let count = files.count
            #expect(count > 3)
            #expect(files.first == String(format: "model-00001-of-%05d.safetensors", count))
            struct Index: Decodable {
                let metadata: [String: Int]
                let files: [String: String]

                enum CodingKeys: String, CodingKey {
                    case metadata
                    case files = "weight_map"
                }
            }
            let index = try JSONDecoder().decode(
                Index.self, from: Data(contentsOf: URL(fileURLWithPath: "\(parts)/model.safetensors.index.json")))
            #expect(index.metadata == ["total_size": bytes])
            let single = try SafetensorsFile("\(whole)/model.safetensors")
            #expect(index.files.keys.sorted() == single.names)
            for (name, file) in index.files {
                let part = try SafetensorsFile("\(parts)/\(file)")
                #expect(try part.readFloats(name) == single.readFloats(name), "\(name)")
                #expect(part.names.allSatisfy { index.files[$0] == file })
            }
        }
    }

    // MARK: Bad input

    @Test func aFolderThatExistsIsLeftAlone() throws {
        try withCheckpoint(Self.gpt2) { reader, folder in
            for path in [folder.path, "\(folder.path)/run/latest", "/", ""] {
                let text = message { _ = try HuggingFaceExport(Self.gpt2, as: .float32).write(from: reader, to: path) }
                #expect(text?.contains("there is such a folder or file already") == true, "\(path)")
            }
            let left = try names(in: folder)
            #expect(left == ["run"])
        }
    }

    @Test func aCheckpointOfAnotherModelIsRefused() throws {
        try withCheckpoint(Self.gpt2) { reader, folder in
            let output = folder.appendingPathComponent("exported").path
            let text = message { _ = try HuggingFaceExport(Self.llama, as: .float32).write(from: reader, to: output) }
            #expect(text?.contains("comparing the checkpoint") == true)
            let left = try names(in: folder)
            #expect(left == ["run"])
        }
        try withCheckpoint(Self.gpt2, without: "blocks.1.attention.key.bias") { reader, folder in
            let output = folder.appendingPathComponent("exported").path
            let text = message { _ = try HuggingFaceExport(Self.gpt2, as: .float32).write(from: reader, to: output) }
            #expect(text?.contains("model/blocks.1.attention.key.bias") == true)
        }
    }

    @Test func aGPT2WithGroupedHeadsHasNoCounterpart() throws {
        var model = Self.gpt2
        model.keyValueHeads = 1
        let text = message { _ = try HuggingFaceExport(model, as: .float32) }
        #expect(text?.contains("as many key/value heads as heads") == true)
    }

    @Test func damageIsNamedAndNothingIsLeft() throws {
        try withCheckpoint(Self.gpt2) { reader, folder in
            let url = URL(fileURLWithPath: "\(reader.path)/rank-00000.safetensors")
            var bytes = try Data(contentsOf: url)
            bytes[bytes.count - 300] ^= 1
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: url)
            let output = folder.appendingPathComponent("exported").path
            let text = message {
                _ = try HuggingFaceExport(Self.gpt2, as: .bfloat16).write(
                    from: CheckpointReader(reader.path), to: output)
            }
            #expect(text?.contains("damaged") == true, "\(text ?? "no error")")
            let left = try names(in: folder)
            #expect(left == ["run"])
        }
    }

    /// Whatever call fails, there is no folder of that name, or a complete one; and the next attempt succeeds.
    @Test func failureAtEveryCall() throws {
        try withCheckpoint(Self.llama) { reader, folder in
            var export = try HuggingFaceExport(Self.llama, as: .bfloat16)
            export.maximumFileBytes = 1000
            let output = folder.appendingPathComponent("deep/exported")
            let counting = FaultyFileSystem()
            let files = try export.write(from: reader, to: output.path, fileSystem: counting).files
            #expect(counting.calls.count > 20)
            for call in counting.calls.indices {
                try FileManager.default.removeItem(at: output.deletingLastPathComponent())
                let faulty = FaultyFileSystem(.crash(atCall: call))
                let text = message { _ = try export.write(from: reader, to: output.path, fileSystem: faulty) }
                let isThere = FileManager.default.fileExists(atPath: output.path)
                #expect(text != nil || isThere)
                if isThere {
                    #expect(try names(in: output) == files)
                    try FileManager.default.removeItem(at: output)
                }
                #expect(try export.write(from: reader, to: output.path).files == files)
                #expect(try names(in: output.deletingLastPathComponent()) == ["exported"])
            }
        }
    }
}
