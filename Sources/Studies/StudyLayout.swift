import JobConfiguration
import Numerics
import Parallelism

/// A way to divide a job, as a study's command line writes it: `data=4`, or `data=2,tensor=2`. Axes that are not named
/// are 1.
public struct StudyLayout: Hashable, Sendable {
    public var mesh: MeshConfiguration

    public init(mesh: MeshConfiguration) { self.mesh = mesh }

    /// - Throws: `ApusError` that says how a layout is written.
    public init(_ text: String) throws {
        let axes = MeshAxis.allCases.map(\.rawValue).joined(separator: ", ")
        func failure(_ problem: String) -> ApusError {
            ApusError(
                "reading the layout '\(text)'", problem,
                remedy: "write axes and degrees such as data=4 or data=2,tensor=2; the axes are \(axes)")
        }
        var mesh = MeshConfiguration()
        var named: Set<MeshAxis> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", omittingEmptySubsequences: false)
            guard words.count == 2 else { throw failure("expected AXIS=DEGREE, found '\(part)'") }
            guard let axis = MeshAxis(rawValue: String(words[0])) else {
                throw failure("there is no axis '\(words[0])'")
            }
            guard let degree = Int(words[1]), 1...4096 ~= degree else {
                throw failure("expected a degree from 1 to 4096, found '\(words[1])'")
            }
            guard named.insert(axis).inserted else { throw failure("the axis '\(axis.rawValue)' is there twice") }
            mesh[axis] = degree
        }
        self.mesh = mesh
    }

    /// The axes that cut anything, such as "data" or "data × tensor"; empty for a single rank.
    public var family: String { cuttingAxes.map(\.rawValue).joined(separator: " × ") }

    /// "data 2 × tensor 2", or "1 rank".
    public var title: String {
        let axes = cuttingAxes
        return axes.isEmpty ? "1 rank" : axes.map { "\($0.rawValue) \(mesh[$0])" }.joined(separator: " × ")
    }

    private var cuttingAxes: [MeshAxis] { MeshAxis.allCases.filter { mesh[$0] > 1 } }

    /// The overrides that give a job this layout.
    func overrides(for job: JobConfiguration) -> [String] {
        let axes = MeshAxis.allCases.filter {
            mesh[$0] > 1 || $0 == .data || $0 == .tensor || job.parallelism[$0] > 1
        }
        return axes.map { "parallelism.\($0.rawValue)=\(mesh[$0])" }
    }
}
