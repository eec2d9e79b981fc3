import ArgumentParser
import Foundation
import JobConfiguration
import Numerics
import TokenData
import Tokenization

struct PrepareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Turn text into token shards for training and validation.",
        discussion: """
            Writes train.bin, train.idx, validation.bin and validation.idx (Megatron's format) to the output folder. \
            A document goes to validation by the hash of its bytes, so it is always on the same side. With a single \
            document, validation is cut off its end.
            """)

    @OptionGroup var documents: DocumentOptions

    @Option(help: "The tokenizer: a tokenizer.json, GPT-2's vocab.json, or a folder with one.", completion: .file())
    var tokenizer: String

    @Option(help: "The folder to write to; made if need be.", completion: .directory)
    var output: String

    @Option(help: "The share of documents kept for validation; 0 for none.")
    var validationFraction = 0.05

    @Option(help: "The special token that ends each document, where it has an unusual name.")
    var endOfText: String?

    @Option(help: "Threads that encode; all cores unless stated.")
    var threads: Int?

    @Flag(help: "Replace shards that are already in the output folder.")
    var overwrite = false

    func run() throws {
        let tokenizer = try TokenizerFile.load(tokenizer)
        var preparation = try Preparation(
            reader: documents.makeReader(), tokenizer: tokenizer, outputFolder: output)
        preparation.validationFraction = validationFraction
        preparation.overwrites = overwrite
        if let threads { preparation.threadCount = threads }
        if let endOfText { preparation.endOfText = try token(endOfText, of: tokenizer) }
        let line = ProgressLine()
        defer { line.end() }
        let report = try preparation.run { report in
            line.show(
                "\(grouped(report.documents)) documents, \(grouped(report.tokens)) tokens, "
                    + "\(decimal(report.megabytesPerSecond)) MB/s")
        }
        line.end()
        print(summary(report, of: preparation))
    }

    private func token(_ text: String, of tokenizer: any Tokenizer) throws -> Int32 {
        if let token = tokenizer.specialToken(text) { return token }
        let known = tokenizer.specialTokens.map(\.text).joined(separator: ", ")
        throw ApusError(
            "reading \(self.tokenizer)", "no special token is written \(text)",
            remedy: known.isEmpty ? "the tokenizer has none: leave --end-of-text out" : "it has: \(known)")
    }

    private func summary(_ report: PreparationReport, of preparation: Preparation) -> String {
        let exclusions = report.reading.exclusions
        var lines = [
            "read: \(grouped(report.documents)) documents, \(decimal(Double(report.bytes) / 1e6)) MB, "
                + "from \(grouped(report.reading.files)) files"
        ]
        if !exclusions.isEmpty { lines.append("passed over or changed: \(exclusions.joined(separator: ", "))") }
        for (name, part) in [("train", report.train), ("validation", report.validation)] where part.documents > 0 {
            lines.append(
                "\(name): \(grouped(part.documents)) documents, \(grouped(part.tokens)) tokens, "
                    + "in \(output)/\(name).bin and .idx")
        }
        if let adjustment = report.splitAdjustment { lines.append("note: \(adjustment)") }
        if preparation.endOfText == nil {
            lines.append("note: the tokenizer has no end-of-text token, so nothing stands between documents")
        }
        lines.append(
            "\(decimal(report.bytesPerToken)) bytes per token; \(decimal(report.seconds)) s, "
                + "\(decimal(report.megabytesPerSecond)) MB/s on \(preparation.threadCount) threads")
        return lines.joined(separator: "\n")
    }
}

/// Two decimals.
private func decimal(_ value: Double) -> String { String(format: "%.2f", value) }

/// One line on the terminal that is written over again; nothing if standard error is not a terminal.
private final class ProgressLine: @unchecked Sendable {  // All state is behind `lock`.
    private let lock = NSLock()
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastShown = ContinuousClock.now
    private var isShown = false

    func show(_ text: String) {
        guard isTerminal else { return }
        lock.withLock {
            guard ContinuousClock.now - lastShown > .milliseconds(200) else { return }
            lastShown = .now
            isShown = true
            write("\r\u{1B}[K\(text)")
        }
    }

    /// Takes the line away.
    func end() {
        lock.withLock {
            if isShown { write("\r\u{1B}[K") }
            isShown = false
        }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
