import Models
import Numerics

/// A tensor under the name that Hugging Face's transformers gives it, and what it is made of.
struct ExportedTensor: Hashable {
    let name: String
    /// Logical names of parameters, which are stacked along their first dimension.
    let sources: [String]
    /// Whether the matrix is stored as `[inputs, outputs]`, as the `Conv1D` layers of transformers' GPT-2 have theirs.
    let isTransposed: Bool

    init(_ name: String, _ source: String) { self.init(name, stacked: [source], isTransposed: false) }

    init(_ name: String, stacked sources: [String], isTransposed: Bool) {
        self.name = name
        self.sources = sources
        self.isTransposed = isTransposed
    }

    /// The shape in the file, from the whole shapes of the sources.
    func shape(from parameters: [String: [Int]]) -> [Int] {
        let shapes = sources.map { parameters[$0]! }
        let stacked = [shapes.reduce(0) { $0 + $1[0] }] + shapes[0].dropFirst()
        return isTransposed ? stacked.reversed() : stacked
    }
}

extension ModelConfiguration {
    /// Every tensor of the model as transformers' `GPT2LMHeadModel` and `LlamaForCausalLM` have it. A tied output
    /// projection is left out, as they leave it out.
    func exportedTensors() -> [ExportedTensor] {
        let head = tiedEmbeddings ? [] : [ExportedTensor("lm_head.weight", "head.weight")]
        let blocks = (0..<layers).flatMap { architecture == .gpt2 ? gpt2Block($0) : llamaBlock($0) }
        switch architecture {
        case .gpt2:
            return [
                ExportedTensor("transformer.wte.weight", "embedding.weight"),
                ExportedTensor("transformer.wpe.weight", "positions.weight"),
            ] + blocks + [
                ExportedTensor("transformer.ln_f.weight", "finalNorm.weight"),
                ExportedTensor("transformer.ln_f.bias", "finalNorm.bias"),
            ] + head
        case .llama:
            return [ExportedTensor("model.embed_tokens.weight", "embedding.weight")] + blocks
                + [ExportedTensor("model.norm.weight", "finalNorm.weight")] + head
        }
    }

    private func gpt2Block(_ index: Int) -> [ExportedTensor] {
        let (here, there) = ("blocks.\(index)", "transformer.h.\(index)")
        func norm(_ name: String, _ source: String) -> [ExportedTensor] {
            ["weight", "bias"].map { ExportedTensor("\(there).\(name).\($0)", "\(here).\(source).\($0)") }
        }
        func linear(_ name: String, _ sources: String...) -> [ExportedTensor] {
            ["weight", "bias"].map { part in
                ExportedTensor(
                    "\(there).\(name).\(part)", stacked: sources.map { "\(here).\($0).\(part)" },
                    isTransposed: part == "weight")
            }
        }
        return norm("ln_1", "attentionNorm")
            + linear("attn.c_attn", "attention.query", "attention.key", "attention.value")
            + linear("attn.c_proj", "attention.output") + norm("ln_2", "feedForwardNorm")
            + linear("mlp.c_fc", "feedForward.up") + linear("mlp.c_proj", "feedForward.down")
    }

    private func llamaBlock(_ index: Int) -> [ExportedTensor] {
        [
            ("input_layernorm", "attentionNorm"), ("self_attn.q_proj", "attention.query"),
            ("self_attn.k_proj", "attention.key"), ("self_attn.v_proj", "attention.value"),
            ("self_attn.o_proj", "attention.output"), ("post_attention_layernorm", "feedForwardNorm"),
            ("mlp.gate_proj", "feedForward.gate"), ("mlp.up_proj", "feedForward.up"),
            ("mlp.down_proj", "feedForward.down"),
        ].map { name, source in
            ExportedTensor("model.layers.\(index).\(name).weight", "blocks.\(index).\(source).weight")
        }
    }
}
