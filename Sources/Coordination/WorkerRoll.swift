import Foundation
import Supervision

/// Who the workers of the current start are: `workers/processes.json` in the run's folder, once all have joined.
package struct WorkerRoll: Sendable {
    let path: String
    private let ranks: Int

    init(runFolder: String, ranks: Int) {
        path = runFolder + "/workers/processes.json"
        self.ranks = ranks
        // Those of an earlier start are gone.
        unlink(path)
    }

    /// A list that cannot be written is no reason to end the run.
    func write(_ workers: [WorkerIdentity]) {
        guard workers.count == ranks else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try? encoder.encode(workers).write(to: URL(filePath: path), options: .atomic)
    }

    package static func read(runFolder: String) -> [WorkerIdentity]? {
        guard let data = FileManager.default.contents(atPath: runFolder + "/workers/processes.json") else { return nil }
        return try? JSONDecoder().decode([WorkerIdentity].self, from: data)
    }
}
