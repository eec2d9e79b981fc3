import Collectives
import Foundation
import Numerics

/// How the ranks agree on the success of each stage of a save.
struct SaveAgreement {
    let step: Int
    let communicator: any Communicator
    /// What failed, in the words of an error.
    let operation: String

    init(step: Int, communicator: any Communicator, operation: String? = nil) {
        self.step = step
        self.communicator = communicator
        self.operation = operation ?? "saving the checkpoint of step \(step)"
    }

    private struct Report<Value: Codable>: Codable {
        var value: Value?
        var problem: String?
        var remedy: String?
    }

    private struct Nothing: Codable {}

    func agree(_ stage: String, _ body: () throws -> Void) throws {
        _ = try agree(stage) {
            try body()
            return Nothing()
        }
    }

    /// Runs `body` on every rank; returns all ranks' results, in rank order, or throws on all of them the failure of
    /// the first rank that had one.
    func agree<Value: Codable>(_ stage: String, _ body: () throws -> Value) throws -> [Value] {
        var report = Report<Value>()
        do {
            report.value = try body()
        } catch let error as SystemCallError {
            (report.problem, report.remedy) = (error.description, error.remedy)
        } catch let error as ApusError {
            (report.problem, report.remedy) = ("\(error.operation): \(error.problem)", error.remedy)
        } catch {
            report.problem = String(describing: error)
        }
        let label = "checkpoint of step \(step): \(stage)"
        let gathered = communicator.gatherToAll(Array(try JSONEncoder().encode(report)), label: label)
        let reports = try gathered.map { try JSONDecoder().decode(Report<Value>.self, from: Data($0)) }
        let failures = reports.enumerated().filter { $0.element.value == nil }
        guard let (rank, failure) = failures.first else { return reports.compactMap(\.value) }
        let others = failures.count > 1 ? " (and \(failures.count - 1) more ranks failed)" : ""
        throw ApusError(
            operation, "rank \(rank) \(failure.problem ?? "failed")\(others)",
            remedy: [failure.remedy, "checkpoints saved before are untouched"].compactMap(\.self).joined(
                separator: "; "),
            kind: .runtime)
    }
}
