import JobConfiguration
import Numerics
import Parallelism

/// A way to divide a job, as a study's command line writes it: degrees of the mesh's axes, and other keys of the job's
/// `parallelism`, such as `data=4`, `data=2,tensor=2` or `pipeline=4,schedule=gpipe`. Axes that are not named are 1.
public struct StudyLayout: Hashable, Sendable {
    public var mesh: MeshConfiguration
    /// Keys of `parallelism` that are no axes, and their values, in the order in which they were written.
    public var settings: [Setting]

    public struct Setting: Hashable, Sendable {
        public var key: String
        public var value: String
    }

    public init(mesh: MeshConfiguration, settings: [Setting] = []) {
        self.mesh = mesh
        self.settings = settings
    }

    /// Whether the job has a key of a setting, and takes its value, shows when the job is loaded with `overrides`.
    ///
    /// - Throws: `ApusError` that says how a layout is written.
    public init(_ text: String) throws {
        let axes = MeshAxis.allCases.map(\.rawValue).joined(separator: ", ")
        func failure(_ problem: String) -> ApusError {
            ApusError(
                "reading the layout '\(text)'", problem,
                remedy:
                    "write degrees such as data=4 or data=2,tensor=2, and other keys of the job's parallelism after "
                    + "them, such as pipeline=4,schedule=gpipe; the axes are \(axes)")
        }
        self.init(mesh: MeshConfiguration())
        var named: Set<String> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let (_, key, value) = part.wholeMatch(of: /([A-Za-z]+)=([A-Za-z0-9.-]+)/)?.output else {
                throw failure("expected AXIS=DEGREE or KEY=VALUE, found '\(part)'")
            }
            guard named.insert(String(key)).inserted else { throw failure("'\(key)' is there twice") }
            guard let axis = MeshAxis(rawValue: String(key)) else {
                settings.append(Setting(key: String(key), value: String(value)))
                continue
            }
            guard let degree = Int(value), 1...4096 ~= degree else {
                throw failure("expected a degree from 1 to 4096 for '\(key)', found '\(value)'")
            }
            mesh[axis] = degree
        }
    }

    /// What layouts of other sizes have in common with this one: the axes that cut anything, and the settings, such as
    /// "data", "data × tensor" or "pipeline (schedule gpipe)"; empty for a single rank.
    public var family: String {
        cuttingAxes.isEmpty ? "" : cuttingAxes.map(\.rawValue).joined(separator: " × ") + settingsTitle
    }

    /// "data 2 × tensor 2", "pipeline 4 (schedule gpipe)", or "1 rank".
    public var title: String {
        let axes = cuttingAxes.map { "\($0.rawValue) \(mesh[$0])" }
        return (axes.isEmpty ? "1 rank" : axes.joined(separator: " × ")) + settingsTitle
    }

    /// A name for a folder.
    var folderName: String {
        let axes = cuttingAxes.map { "\($0.rawValue)\(mesh[$0])" }
        return ((axes.isEmpty ? ["1rank"] : axes) + settings.map { "\($0.key)-\($0.value)" }).joined(separator: "-")
    }

    private var settingsTitle: String {
        settings.isEmpty ? "" : " (" + settings.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + ")"
    }

    private var cuttingAxes: [MeshAxis] { MeshAxis.allCases.filter { mesh[$0] > 1 } }

    /// The overrides that give a job this layout.
    func overrides(for job: JobConfiguration) -> [String] {
        let axes = MeshAxis.allCases.filter {
            mesh[$0] > 1 || $0 == .data || $0 == .tensor || job.parallelism[$0] > 1
        }
        return axes.map { "parallelism.\($0.rawValue)=\(mesh[$0])" }
            + settings.map { "parallelism.\($0.key)=\($0.value)" }
    }
}
