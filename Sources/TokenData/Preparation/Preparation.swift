import Foundation
import Numerics
import Tokenization

/// Turns documents into the token shards `<folder>/train.{bin,idx}` and `<folder>/validation.{bin,idx}`.
///
/// Every document becomes one sequence that ends with the end-of-text token. The files are the same, byte for byte, for
/// any number of threads, and take their names only when all are complete and on the disk.
public struct Preparation: Sendable {
    public var reader: DocumentReader
    public var tokenizer: any Tokenizer
    /// Made if it doesn't exist.
    public var outputFolder: String
    /// The share of documents, chosen by the hash of their bytes, that goes to validation; 0 writes no validation data.
    public var validationFraction = 0.05
    /// Ends each document; nil lets documents follow each other without a mark.
    public var endOfText: Int32?
    public var threadCount = ProcessInfo.processInfo.activeProcessorCount
    /// Whether shards that are already in the folder are replaced. They stay until the new ones are complete.
    public var overwrites = false

    public init(reader: DocumentReader, tokenizer: any Tokenizer, outputFolder: String) {
        self.reader = reader
        self.tokenizer = tokenizer
        self.outputFolder = outputFolder
        endOfText = tokenizer.endOfText
    }

    /// Large enough for the threads to be busy, small enough for them to end together.
    private static let batchBytes = 256 << 10

    /// - Parameter progress: called now and then, from any thread, with what has been written so far.
    /// - Throws: `ApusError`; then nothing is left behind.
    public func run(progress: @escaping @Sendable (PreparationReport) -> Void = { _ in }) throws -> PreparationReport {
        let split = try DocumentSplit(validationFraction: validationFraction)
        guard 1...1024 ~= threadCount else {
            throw ApusError("preparing tokens", "expected 1 to 1024 threads, found \(threadCount)")
        }
        let sides: [SplitSide] = validationFraction > 0 ? [.train, .validation] : [.train]
        let folder = try OutputFolder(outputFolder, overwrites: overwrites)
        var writers: [SplitSide: MegatronShardWriter] = [:]
        do {
            for side in sides {
                writers[side] = try MegatronShardWriter(
                    prefix: folder.prefix(side), vocabularySize: tokenizer.vocabularySize)
            }
            let report = try write(to: writers, split, progress)
            for side in sides { try writers[side]?.finish() }
            for side in sides { try writers[side]?.publish() }
            if validationFraction == 0 { folder.removeShards(.validation) }
            return report
        } catch {
            for writer in writers.values { writer.abandon() }
            folder.removeIfNew()
            throw error
        }
    }

    private func write(
        to writers: [SplitSide: MegatronShardWriter], _ split: DocumentSplit,
        _ progress: @escaping @Sendable (PreparationReport) -> Void
    ) throws -> PreparationReport {
        let start = ContinuousClock.now
        var report = PreparationReport()
        let pipeline = OrderedPipeline<DocumentBatch, EncodedBatch>(
            threadCount: threadCount, mostInFlight: (64 << 20) + threadCount * (8 << 20),
            makeWork: {
                let encoder = tokenizer.makeEncoder()
                return { try EncodedBatch($0, encoder: encoder, endOfText: endOfText) }
            },
            consume: { batch in
                for entry in batch.entries {
                    try batch.tokens[entry.tokens].withUnsafeBufferPointer {
                        try writers[entry.side]?.append(document: $0)
                    }
                    report[entry.side].documents += 1
                    report[entry.side].bytes += entry.bytes
                    report[entry.side].tokens += entry.tokens.count
                }
                report.seconds = (ContinuousClock.now - start) / .seconds(1)
                progress(report)
            })
        let reading: DocumentReadingSummary
        let adjustment: SplitAssigner.Adjustment?
        do {
            (reading, adjustment) = try submit(to: pipeline, split)
        } catch {
            try? pipeline.finish(cancelling: true)
            throw error
        }
        try pipeline.finish()
        report.reading = reading
        report.splitAdjustment = adjustment?.description
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    /// Reads all documents, decides their sides, and hands them to the pipeline in batches.
    private func submit(
        to pipeline: OrderedPipeline<DocumentBatch, EncodedBatch>, _ split: DocumentSplit
    ) throws -> (DocumentReadingSummary, SplitAssigner.Adjustment?) {
        var batch = DocumentBatch()
        func submitBatch() throws {
            if batch.documents.isEmpty { return }
            try pipeline.submit(batch, cost: batch.bytes)
            batch = DocumentBatch()
        }
        var assigner = SplitAssigner(split) { document, side in
            batch.append(document, side)
            if batch.bytes >= Self.batchBytes { try submitBatch() }
        }
        let reading = try reader.forEachDocument { try assigner.add($0) }
        guard reading.documents > 0 else { throw noDocument(reading) }
        let adjustment = try assigner.finish()
        try submitBatch()
        return (reading, adjustment)
    }

    private func noDocument(_ reading: DocumentReadingSummary) -> ApusError {
        let reasons = reading.exclusions.joined(separator: ", ")
        return ApusError(
            "preparing tokens",
            "found no document in \(reader.files.count) files" + (reasons.isEmpty ? "" : ": \(reasons)"),
            remedy: "name files with text in them")
    }
}
