import Collectives
import Foundation
import JobConfiguration
import Numerics

extension Communicator {
    /// Runs `body` on every rank and fails on all of them if it failed on any, so that no rank is left waiting in a
    /// collective for one that gave up.
    ///
    /// - Throws: `AgreedFailure`, with the error of the lowest rank that failed.
    public func agree<Result>(on what: String, _ body: () throws -> Result) throws -> Result {
        let outcome = Swift.Result(catching: body)
        var report: [UInt8] = []
        if case .failure(let error) = outcome {
            report = [UInt8(truncatingIfNeeded: ExitStatus(error).rawValue)] + Array("\(error)".utf8)
        }
        let reports = gatherToAll(report, label: "agreement on \(what)")
        guard let failed = reports.firstIndex(where: { !$0.isEmpty }) else { return try outcome.get() }
        let message = String(decoding: reports[failed].dropFirst(), as: UTF8.self)
        let isShared = reports.allSatisfy { !$0.isEmpty }
        throw AgreedFailure(
            reporter: failed, message: isShared ? message : "rank \(failed) of \(size): \(message)",
            status: ExitStatus(rawValue: Int32(reports[failed][0])) ?? .failure)
    }

    /// What `body` finds on rank 0, on all ranks; fails on all of them if it fails there.
    func shareFirst<Value: Codable>(on what: String, _ body: () throws -> Value) throws -> Value {
        let mine = try agree(on: what) { rank == 0 ? Array(try JSONEncoder().encode(try body())) : [] }
        let bytes = gatherToAll(mine, label: "sharing \(what)")[0]
        return try JSONDecoder().decode(Value.self, from: Data(bytes))
    }
}

/// A failure that all ranks know of: one of them reports it, and each ends in order.
public struct AgreedFailure: Error, CustomStringConvertible {
    /// The rank that tells the user.
    let reporter: Int
    let message: String
    let status: ExitStatus

    public var description: String { message }

    /// A failure that every rank found by itself, with the same words.
    static func everywhere(_ error: ApusError) -> AgreedFailure {
        AgreedFailure(reporter: 0, message: "\(error)", status: ExitStatus(error))
    }

    init(reporter: Int, message: String, status: ExitStatus) {
        self.reporter = reporter
        self.message = message
        self.status = status
    }
}
