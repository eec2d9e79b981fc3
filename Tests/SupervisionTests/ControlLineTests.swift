import Foundation
import Numerics
import Supervision
import Synchronization
import Testing

/// The line between worker and coordinator over a real socket.
@Suite struct ControlLineTests {
    private static func receiver(_ secret: ControlSecret) throws -> HeartbeatReceiver {
        try HeartbeatReceiver(
            host: ControlAddress.loopback, secret: secret, limit: StallLimit(floor: .seconds(30), ceiling: .seconds(60))
        )
    }

    private static func environment(_ receiver: HeartbeatReceiver, _ secret: ControlSecret) -> [String: String] {
        [ControlAddress.variable: receiver.address.description, ControlSecret.variable: secret.text]
    }

    private static func wait(until condition: () -> Bool) async throws -> Bool {
        for _ in 0..<1000 {
            if condition() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    @Test func aWorkerIsSeenJoiningAndLeaving() async throws {
        let secret = ControlSecret()
        let receiver = try Self.receiver(secret)
        let failures = Mutex<[RankMonitor.Failure]>([])
        receiver.start { _ in
        } onFailure: { failure in
            failures.withLock { $0.append(failure) }
        } onAllLeft: {
        }
        let sender = try HeartbeatSender.start(rank: 3, environment: Self.environment(receiver, secret)) { _ in }
        #expect(try await Self.wait { receiver.identities.map(\.rank) == [3] })
        #expect(receiver.identities[0].processIdentifier == getpid())
        sender?.leave(status: 75)
        #expect(try await Self.wait { receiver.hasEveryoneLeft })
        #expect(receiver.firstGoodbye == 75)
        #expect(failures.withLock { $0 }.isEmpty)
        receiver.stop()
    }

    @Test func aWorkerWithoutTheSecretIsRefused() async throws {
        let receiver = try Self.receiver(ControlSecret())
        receiver.start { _ in
        } onFailure: { _ in
        } onAllLeft: {
        }
        let error = #expect(throws: ApusError.self) {
            _ = try HeartbeatSender.start(rank: 0, environment: Self.environment(receiver, ControlSecret())) { _ in }
        }
        #expect(error.map { "\($0)".contains("does not know this job's secret") } == true)
        #expect(receiver.identities.isEmpty)
        receiver.stop()
    }

    @Test func theEndOfTheCoordinatorAsksTheWorkerToSave() async throws {
        let secret = ControlSecret()
        let receiver = try Self.receiver(secret)
        receiver.start { _ in
        } onFailure: { _ in
        } onAllLeft: {
        }
        let asked = Mutex(false)
        let sender = try HeartbeatSender.start(rank: 0, environment: Self.environment(receiver, secret)) { _ in
            asked.withLock { $0 = true }
        }
        #expect(try await Self.wait { !receiver.identities.isEmpty })
        receiver.stop()
        #expect(try await Self.wait { asked.withLock { $0 } })
        withExtendedLifetime(sender) {}
    }

    @Test func withoutACoordinatorThereIsNoLine() throws {
        #expect(try HeartbeatSender.start(rank: 0, environment: [:], onRequest: { _ in }) == nil)
    }

    @Test(arguments: [
        ["APUS_COORDINATOR": "nonsense", "APUS_CONTROL_SECRET": ControlSecret().text],
        ["APUS_COORDINATOR": "127.0.0.1:1", "APUS_CONTROL_SECRET": "short"],
        ["APUS_COORDINATOR": "127.0.0.1:1"],
        // Nobody listens there.
        ["APUS_COORDINATOR": "127.0.0.1:1", "APUS_CONTROL_SECRET": ControlSecret().text],
    ]) func nonsenseInTheEnvironmentIsNamed(_ environment: [String: String]) {
        let error = #expect(throws: ApusError.self) {
            _ = try HeartbeatSender.start(rank: 0, environment: environment) { _ in }
        }
        #expect(error.map { "\($0)".contains("joining the coordinator") } == true)
    }

    /// Whatever a stranger sends, the coordinator closes the connection, believes nothing and lives on.
    @Test(arguments: [
        "GET / HTTP/1.1\n", "{}\n", "\u{0}\u{1}\u{2}\n", "{\"goodbye\":{\"status\":0}}\n",
        "{\"heartbeat\":{\"_0\":{\"phase\":2,\"step\":1,\"residentMiB\":1}}}\n", String(repeating: "x", count: 200_000),
    ]) func strangersAreTurnedAway(_ text: String) async throws {
        let secret = ControlSecret()
        let receiver = try Self.receiver(secret)
        receiver.start { _ in
        } onFailure: { _ in
        } onAllLeft: {
        }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #expect(receiver.address.withSocketAddress { connect(descriptor, $0, $1) } == 0)
        let bytes = Array(text.utf8)
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        var time = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var answer = [UInt8](repeating: 0, count: 16)
        #expect(recv(descriptor, &answer, answer.count, 0) <= 0, "closed, not answered")
        close(descriptor)
        #expect(receiver.identities.isEmpty)
        let sender = try HeartbeatSender.start(rank: 1, environment: Self.environment(receiver, secret)) { _ in }
        #expect(try await Self.wait { receiver.identities.map(\.rank) == [1] })
        sender?.leave(status: 0)
        receiver.stop()
    }

    @Test func aProofOfOneSideIsNoneOfTheOther() {
        let secret = ControlSecret()
        let proof = secret.proof(of: "nonce", by: .coordinator)
        #expect(secret.isProof(proof, of: "nonce", by: .coordinator))
        #expect(!secret.isProof(proof, of: "nonce", by: .worker))
        #expect(!secret.isProof(proof, of: "other", by: .coordinator))
        #expect(!ControlSecret().isProof(proof, of: "nonce", by: .coordinator))
        #expect(ControlSecret(text: secret.text).map { $0.isProof(proof, of: "nonce", by: .coordinator) } == true)
    }

    @Test func aLockIsHeldOnceAndGivenBack() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var lock: RunLock? = try RunLock.take("workers", inRun: folder, patience: .zero)
        let error = #expect(throws: ApusError.self) {
            _ = try RunLock.take("workers", inRun: folder, patience: .milliseconds(200))
        }
        #expect(error.map { "\($0)".contains("process \(getpid())") } == true)
        withExtendedLifetime(lock) {}
        lock = nil
        _ = try RunLock.take("workers", inRun: folder, patience: .zero)
    }
}
