import Foundation
import Tokenization

/// A `tokenizer.json` as Hugging Face's library writes it, put together from the goldens without Apus's own writer.
struct HuggingFaceDocument {
    var root: [String: Any]

    init(merges: [String] = HuggingFaceGoldens.merges) {
        var vocabulary: [String: Int] = [:]
        for character in Self.byteCharacters { vocabulary[character] = vocabulary.count }
        for merge in merges {
            let product = merge.filter { $0 != " " }
            if vocabulary[product] == nil { vocabulary[product] = vocabulary.count }
        }
        root = [
            "version": "1.0",
            "truncation": NSNull(), "padding": NSNull(), "normalizer": NSNull(), "post_processor": NSNull(),
            "added_tokens": [Any](),
            "pre_tokenizer": Self.byteLevel(usesRegex: true),
            "decoder": Self.byteLevel(usesRegex: true),
            "model": [
                "type": "BPE", "dropout": NSNull(), "unk_token": NSNull(), "continuing_subword_prefix": NSNull(),
                "end_of_word_suffix": NSNull(), "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary, "merges": merges,
            ] as [String: Any],
        ]
    }

    /// The byte-level alphabet in ascending order.
    private static let byteCharacters: [String] = {
        let printable = Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
        let others = Array(0x100..<(0x100 + 256 - printable.count))
        return (printable + others).map { String(Unicode.Scalar($0)!) }
    }()

    static func byteLevel(usesRegex: Bool) -> [String: Any] {
        ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": usesRegex]
    }

    mutating func split(by regex: String, behavior: String = "Isolated", invert: Bool = false) {
        let split: [String: Any] = [
            "type": "Split", "pattern": ["Regex": regex], "behavior": behavior, "invert": invert,
        ]
        root["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": [split, Self.byteLevel(usesRegex: false)]]
    }

    mutating func add(_ text: String, id: Int, isSpecial: Bool, isNormalized: Bool = false) {
        let token: [String: Any] = [
            "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": isNormalized, "special": isSpecial,
        ]
        root["added_tokens"] = (root["added_tokens"] as! [Any]) + [token]
    }

    mutating func setModel(_ key: String, _ value: Any) {
        var model = root["model"] as! [String: Any]
        model[key] = value
        root["model"] = model
    }

    var bytes: [UInt8] { [UInt8](try! JSONSerialization.data(withJSONObject: root)) }

    func read() throws -> ByteLevelBPE {
        try TokenizerFile.read(bytes, source: "tokenizer.json") as! ByteLevelBPE
    }
}
