import Autograd
import JobConfiguration
import Models
import Observability
import Parallelism

/// Who holds what: the part of the model and of the batch that each rank of a job has, from the job alone.
public struct MeshPicture: Sendable {
    /// What one rank holds.
    public struct Holding: Hashable, Sendable {
        public var rank: Int
        /// Where it is on each axis, in the order of `MeshAxis.allCases`.
        public var coordinates: [Int]
        /// The parts of the model, for example `embedding, blocks 0–5`.
        public var parts: String
        /// Learned numbers, of which two stages may have some in common.
        public var parameters: Int
        /// Bytes of parameters, gradients and moments, if the rank has memory of its own for all of them.
        public var stateBytes: Int
        /// Numbers of the samples in a step's global batch.
        public var samples: Range<Int>
        /// The tokens of each of them, where sequences are cut over ranks.
        public var tokens: [Range<Int>]
    }

    public let job: JobConfiguration
    /// Ranks of a host, if the picture is to show hosts.
    public let ranksPerHost: Int?
    public let holdings: [Holding]
    /// The part of a step's work that each pipeline stage does.
    public let workShares: [Double]

    /// - Parameter job: Resolved for its number of ranks.
    public init(_ job: JobConfiguration, ranksPerHost: Int? = nil) {
        self.job = job
        self.ranksPerHost = ranksPerHost
        let mesh = job.parallelism
        let decoder = Decoder(job.model)
        let partition = ModelPartition(
            decoder, parts: job.pipelineShape.parts, sequenceLength: job.training.sequenceLength)
        let holders = partition.holders(of: decoder, stages: mesh.pipeline)
        let perPart = job.training.globalBatchSize / mesh.batchParts
        let momentBytes = job.optimizer.momentPrecision == .bfloat16 ? 2 : 4
        // Ranks that differ along data alone hold the same.
        var counts: [[Int]: Int] = [:]
        func parameters(stage: Int, tensorRank: Int) -> Int {
            if let count = counts[[stage, tensorRank]] { return count }
            let layout = FlatLayout(
                decoder.declarations, plan: ShardingPlan(tensorRank: tensorRank, tensorSize: mesh.tensor),
                holding: HeldParameters(holders, stage: stage))
            let count = layout.entries.reduce(0) { $0 + $1.range.count }
            counts[[stage, tensorRank]] = count
            return count
        }
        holdings = (0..<mesh.size).map { rank in
            let stage = mesh.coordinate(.pipeline, of: rank)
            let count = parameters(stage: stage, tensorRank: mesh.coordinate(.tensor, of: rank))
            let batchPart =
                mesh.coordinate(.data, of: rank) * mesh.expert + mesh.coordinate(.expert, of: rank)
            return Holding(
                rank: rank, coordinates: MeshAxis.allCases.map { mesh.coordinate($0, of: rank) },
                parts: Self.text(job.pipelineShape.parts(of: stage).map { partition.parts[$0] }),
                parameters: count, stateBytes: count * (4 + 4 + 2 * momentBytes),
                samples: batchPart * perPart..<(batchPart + 1) * perPart,
                tokens: Self.tokens(of: mesh.coordinate(.context, of: rank), job))
        }
        let total = partition.costs.reduce(0, +)
        workShares = (0..<mesh.pipeline).map { stage in
            job.pipelineShape.parts(of: stage).reduce(0) { $0 + partition.costs[$1] } / total
        }
    }

    private static func tokens(of contextRank: Int, _ job: JobConfiguration) -> [Range<Int>] {
        guard job.parallelism.context > 1 else { return [] }
        let chunks = TokenPositions.part(
            contextRank, of: job.parallelism.context, sequenceLength: job.training.sequenceLength
        ).chunks
        return [chunks.first, chunks.second]
    }

    static func text(_ parts: [DecoderPart]) -> String {
        parts.map { part in
            let blocks =
                part.blocks.count == 1
                ? "block \(part.blocks.lowerBound)" : "blocks \(part.blocks.lowerBound)–\(part.blocks.upperBound - 1)"
            return (part.embeds ? "embedding, " : "") + blocks + (part.predicts ? ", head" : "")
        }.joined(separator: "; ")
    }

    /// A table with a line for each rank, below a few lines about the whole.
    public var text: String {
        let mesh = job.parallelism
        let neighbours = MeshAxis.allCases.last { mesh[$0] > 1 }
        var lines = [
            "\(job.name): \(mesh.description) = \(mesh.size) \(mesh.size == 1 ? "rank" : "ranks")"
                + (neighbours.map { ", neighbours along the \($0.rawValue) axis" } ?? ""),
            "a step: \(job.training.globalBatchSize) samples, \(job.microBatches) "
                + "micro-batch\(job.microBatches == 1 ? "" : "es") of \(job.training.microBatchSize) for each of "
                + "\(mesh.batchParts) part\(mesh.batchParts == 1 ? "" : "s") of the batch",
        ]
        if mesh.pipeline > 1 {
            let shares = workShares.enumerated().map { "stage \($0) \(Quantity.fixed($1 * 100, 1))%" }
            lines.append("work: " + shares.joined(separator: ", "))
        }
        if let crossing = axesBetweenHosts.last {
            lines.append(
                crossing == .tensor
                    ? "note: ranks that share layers are on different hosts, and exchange something in every layer; let "
                        + "--ranks-per-host be a multiple of parallelism.tensor"
                    : "between hosts: " + axesBetweenHosts.map(\.rawValue).joined(separator: ", "))
        }
        let axes = mesh.describedAxes
        let header =
            ["rank"] + (ranksPerHost == nil ? [] : ["host"]) + axes.map(\.rawValue)
            + ["parameters", "state MiB", "samples"] + (mesh.context > 1 ? ["tokens"] : []) + ["holds"]
        let rows = holdings.map { holding in
            ["\(holding.rank)"] + (ranksPerHost.map { ["\(holding.rank / $0)"] } ?? [])
                + axes.map { axis in "\(holding.coordinates[MeshAxis.allCases.firstIndex(of: axis)!])" }
                + [
                    "\(holding.parameters)", Quantity.fixed(Double(holding.stateBytes) / 1_048_576, 1),
                    "\(holding.samples.lowerBound)–\(holding.samples.upperBound - 1)",
                ]
                + (mesh.context > 1
                    ? [holding.tokens.map { "\($0.lowerBound)–\($0.upperBound - 1)" }.joined(separator: ", ")] : [])
                + [
                    holding.parts + (mesh.tensor > 1 ? ", 1/\(mesh.tensor) of what is split" : "")
                ]
        }
        return (lines + [""] + Self.aligned([header] + rows)).joined(separator: "\n") + "\n"
    }

    /// The axes along which ranks of different hosts meet.
    public var axesBetweenHosts: [MeshAxis] {
        guard let ranksPerHost else { return [] }
        let mesh = job.parallelism
        return MeshAxis.allCases.filter { axis in
            // Ranks that differ along this axis alone.
            let groups = Dictionary(grouping: 0..<mesh.size) { rank in
                MeshAxis.allCases.map { $0 == axis ? 0 : mesh.coordinate($0, of: rank) }
            }
            return groups.values.contains { Set($0.map { $0 / ranksPerHost }).count > 1 }
        }
    }

    /// Columns aligned to the right, the last to the left.
    static func aligned(_ rows: [[String]]) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { column, cell in
                column == row.count - 1 ? cell.0 : String(repeating: " ", count: cell.1 - cell.0.count) + cell.0
            }.joined(separator: "  ")
        }
    }
}
