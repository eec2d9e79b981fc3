import ArgumentParser
import Checkpointing
import Foundation
import Generation
import Numerics
import Tokenization
import Training

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a text with a trained model.",
        discussion: """
            Under `mpirun -np N` the model is cut over N ranks (tensor parallelism), whatever layout trained it.
            """)

    @Option(help: "A run's folder, its checkpoints folder, or one checkpoint.") var checkpoint: String
    @Option(help: "The text to continue; empty begins a new document.") var prompt = ""
    @Option(help: "The tokenizer.json that the data was prepared with (default: the one the job names).")
    var tokenizer: String?
    @Option(help: "Tokens to generate.") var tokens = 200
    @Option(help: "0 takes the best token always; higher is more varied.") var temperature: Float = 0.8
    @Option(help: "Choose among the K best tokens; 0 for all.") var topK = 0
    @Option(help: "Choose among the fewest best tokens whose probabilities reach P.") var topP: Float = 1
    @Option(help: "The same seed gives the same text.") var seed: UInt64 = 1337
    @Option(help: "Threads a rank (default: the cores divided by the ranks).") var threads: Int?

    func run() throws {
        guard tokens > 0 else { throw ValidationError("--tokens must be at least 1, got \(tokens)") }
        let session = try WorkerSession(threadsPerRank: threads)
        let status = session.run {
            let generator = try session.world.agree(on: "the model") { try open(session) }
            if session.world.rank == 0 { Self.show(prompt) }
            try generator.generate(prompt: prompt, count: tokens) { piece in
                if session.world.rank == 0 { Self.show(piece) }
            }
            if session.world.rank == 0 { Self.show("\n") }
            return .success
        }
        if status != .success { throw ExitCode(status) }
    }

    private func open(_ session: WorkerSession) throws -> TextGenerator {
        let trained = try TrainedModel(at: checkpoint)
        let model = try LanguageModelRunner(
            trained.job.model, from: trained.reader, communicator: session.world, pool: session.pool)
        return try TextGenerator(
            model: model, tokenizer: try TokenizerFile.load(try tokenizer ?? trained.tokenizerPath()),
            sampling: TokenSampling(temperature: temperature, topK: topK, topP: topP, seed: seed))
    }

    /// Text appears as it is generated, not when a buffer is full.
    private static func show(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
