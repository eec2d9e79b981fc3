import Foundation
import Numerics

/// Tokenizers on disk, of whatever kind.
public enum TokenizerFile {
    /// The name that a tokenizer has in a folder.
    public static let name = "tokenizer.json"

    /// Reads a tokenizer.
    ///
    /// - Parameter path: a `tokenizer.json` (Hugging Face's, or one of Apus's character and byte tokenizers), GPT-2's
    ///   `vocab.json`, `encoder.json`, `merges.txt` or `vocab.bpe` (its counterpart must lie beside it), or a folder
    ///   with one of these.
    /// - Throws: `ApusError` naming the file, what was expected and what was found.
    public static func load(_ path: String) throws -> any Tokenizer {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ApusError("reading \(path)", "there is no such file or folder", remedy: "check the path.")
        }
        if isFolder.boolValue { return try loadFolder(path) }
        let url = URL(fileURLWithPath: path)
        for pair in GPT2Files.names where [pair.vocabulary, pair.merges].contains(url.lastPathComponent) {
            let folder = url.deletingLastPathComponent()
            return try GPT2Files.read(
                vocabulary: folder.appendingPathComponent(pair.vocabulary).path,
                merges: folder.appendingPathComponent(pair.merges).path)
        }
        return try read(readFile(path), source: path)
    }

    /// Reads a tokenizer from the bytes of a `tokenizer.json`; `source` names them in errors.
    public static func read(_ bytes: [UInt8], source: String) throws -> any Tokenizer {
        let root = try JSONParser.parse(bytes, source: source)
        if let tokenizer = try TeachingTokenizerFile.read(root, source: source) { return tokenizer }
        guard root["model"] != nil else {
            throw ApusError(
                "reading \(source)", "expected a tokenizer with a 'model' or a 'type', found neither",
                remedy: "give a tokenizer.json as Apus or Hugging Face's tokenizers writes it.")
        }
        return try HuggingFaceFile.read(root, source: source)
    }

    /// The bytes of the `tokenizer.json` of a tokenizer.
    public static func contents(_ tokenizer: any Tokenizer) -> [UInt8] {
        switch tokenizer {
        case let tokenizer as ByteLevelBPE: JSONWriter.write(HuggingFaceFile.write(tokenizer))
        case let tokenizer as CharacterTokenizer: JSONWriter.write(TeachingTokenizerFile.write(tokenizer))
        case let tokenizer as ByteTokenizer: JSONWriter.write(TeachingTokenizerFile.write(tokenizer))
        default: preconditionFailure("tokenizers of type \(type(of: tokenizer)) have no file format")
        }
    }

    /// Writes a tokenizer.
    ///
    /// - Parameter path: a file that ends in `.json`, or a folder, which gets a `tokenizer.json`.
    /// - Returns: the path of the file.
    /// - Throws: `ApusError` if it can't be written.
    @discardableResult
    public static func save(_ tokenizer: any Tokenizer, to path: String) throws -> String {
        let file = path.hasSuffix(".json") ? path : URL(fileURLWithPath: path).appendingPathComponent(name).path
        try writeFile(contents(tokenizer), file)
        return file
    }

    private static func loadFolder(_ folder: String) throws -> any Tokenizer {
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + name) }
        if exists(name) { return try load(folder + "/" + name) }
        for pair in GPT2Files.names where exists(pair.vocabulary) { return try load(folder + "/" + pair.vocabulary) }
        throw ApusError(
            "reading \(folder)", "the folder has no tokenizer: neither \(name) nor vocab.json with merges.txt",
            remedy: "train one with 'apus tokenizer train', or check the path.")
    }
}

/// The forms in which tokenizers can be written.
public enum TokenizerFormat: String, CaseIterable, Sendable {
    /// `tokenizer.json`.
    case huggingFace = "hugging-face"
    /// `vocab.json` and `merges.txt`; for byte-level BPE.
    case gpt2

    /// Writes a tokenizer and returns the path of the file, or of the folder with the files.
    ///
    /// - Throws: `ApusError` if the format can't hold this tokenizer, or a file can't be written.
    public func save(_ tokenizer: any Tokenizer, to path: String) throws -> String {
        switch self {
        case .huggingFace: return try TokenizerFile.save(tokenizer, to: path)
        case .gpt2:
            guard let tokenizer = tokenizer as? ByteLevelBPE else {
                throw ApusError(
                    "writing GPT-2 vocabulary files",
                    "expected a byte-level BPE tokenizer, found one of \(TokenizerKind(of: tokenizer)?.title ?? "another")",
                    remedy: "write it as tokenizer.json.")
            }
            try GPT2Files.write(tokenizer, toFolder: path)
            return path
        }
    }
}
