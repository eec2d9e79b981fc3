import Foundation
import Numerics
import Observability
import Testing

@Suite final class MetricsLogTests {
    private let folder: URL
    private var path: String { folder.appending(path: "metrics.jsonl").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "apus-metrics-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func write(_ steps: ClosedRange<Int>, resumedStep: Int) throws {
        let log = try MetricsLog(path: path, resumedStep: resumedStep)
        for step in steps { try log.append(.step(.sample(step: step, loss: Double(step)))) }
    }

    private func steps() throws -> [Int] { try MetricsLog.events(at: path).compactMap(\.step) }

    @Test func aLineHoldsTheTimeAndTheEvent() throws {
        let log = try MetricsLog(path: path, resumedStep: 0)
        try log.append(.stopping(StopNotice(reason: "test", step: 3)), at: Date(timeIntervalSince1970: 12.5))
        #expect(
            try String(contentsOfFile: path, encoding: .utf8)
                == "{\"kind\":\"stopping\",\"reason\":\"test\",\"step\":3,\"time\":12.5}\n")
    }

    @Test func resumingCutsOffLaterSteps() throws {
        try write(1...8, resumedStep: 0)
        try write(6...10, resumedStep: 5)
        #expect(try steps() == Array(1...10))
    }

    @Test func resumingAtTheLastStepKeepsAll() throws {
        try write(1...8, resumedStep: 0)
        try write(9...10, resumedStep: 8)
        #expect(try steps() == Array(1...10))
    }

    @Test func resumingKeepsTheCheckpointOfItsStep() throws {
        let checkpoint = RunEvent.checkpoint(CheckpointRecord(step: 5, path: "step-000005", seconds: 1, bytes: 1))
        do {
            let log = try MetricsLog(path: path, resumedStep: 0)
            for step in 1...5 { try log.append(.step(.sample(step: step, loss: 1))) }
            try log.append(checkpoint)
            try log.append(.step(.sample(step: 6, loss: 1)))
            try log.append(.message(RunMessage(level: .note, text: "said after step 6")))
        }
        _ = try MetricsLog(path: path, resumedStep: 5)
        let events = try MetricsLog.events(at: path)
        #expect(events.count == 6)
        #expect(events.last == checkpoint)
    }

    private func rollback(at step: Int, to checkpoint: Int) -> RunEvent {
        .guarded(
            GuardRecord(
                step: step, cause: .spike, action: .rollback, loss: 9, gradientNorm: 1, zScore: 7, firstSample: 0,
                sampleCount: 8, samples: [], rollbackStep: checkpoint, nextSample: 8))
    }

    /// Steps 1 to 6, of which 2 and 4 are saved, back to 2 from the seventh, and up to 5 again, saved at 4.
    private func writeRollback() throws {
        let log = try MetricsLog(path: path, resumedStep: 0)
        func train(_ steps: ClosedRange<Int>, _ loss: Double) throws {
            for step in steps {
                try log.append(.step(.sample(step: step, loss: loss)))
                guard step % 2 == 0, step < 6 else { continue }
                try log.append(.checkpoint(CheckpointRecord(step: step, path: "step", seconds: 1, bytes: 1)))
            }
        }
        try train(1...6, 1)
        try log.append(rollback(at: 7, to: 2))
        try train(3...5, 2)
    }

    /// What was done again counts from the checkpoint on that was saved again; before that, what was there first.
    @Test(arguments: [(4, [1, 2, 2, 3, 4, 4, 5, 6, 7, 3, 4, 4]), (2, [1, 2, 2])])
    func resumingAfterARollbackKeepsWhatLedToTheCheckpoint(_ resumed: Int, _ kept: [Int]) throws {
        try writeRollback()
        _ = try MetricsLog(path: path, resumedStep: resumed)
        #expect(try steps() == kept)
    }

    @Test func theCurveForgetsWhatWasRolledBack() throws {
        try writeRollback()
        let curve = try LossCurve(metricsPath: path, title: "rolled back")
        #expect(curve.training.map(\.step) == [1, 2, 3, 4, 5])
        #expect(curve.training.map(\.loss) == [1, 1, 2, 2, 2])
    }

    @Test func aNewRunStartsAnEmptyLog() throws {
        try write(1...8, resumedStep: 0)
        try write(1...2, resumedStep: 0)
        #expect(try steps() == [1, 2])
    }

    @Test func aTornLastLineIsCutOff() throws {
        try write(1...3, resumedStep: 0)
        let whole = try Data(contentsOf: URL(filePath: path))
        try whole.dropLast(20).write(to: URL(filePath: path))
        try write(3...4, resumedStep: 2)
        #expect(try steps() == [1, 2, 3, 4])
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
    }

    @Test func aLineThatIsNoEventIsPassedOver() throws {
        try write(1...2, resumedStep: 0)
        let contents =
            try String(contentsOfFile: path, encoding: .utf8) + "rubbish\n{\"kind\":\"unknown\",\"time\":1}\n"
        try contents.write(toFile: path, atomically: true, encoding: .utf8)
        try write(3...3, resumedStep: 2)
        #expect(try steps() == [1, 2, 3])
    }

    @Test func aFolderThatIsMissingIsNamed() {
        let missing = folder.path + "/missing/metrics.jsonl"
        let error = #expect(throws: ApusError.self) { try MetricsLog(path: missing, resumedStep: 0) }
        #expect(error?.description.contains(missing) == true)
        #expect(error?.description.contains("No such file") == true)
    }

    /// `/dev/full` fails every write with "no space left on device".
    @Test func aFullDiskIsAnErrorAndNotTheEndOfTheRun() throws {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/full")
        let log = try MetricsLog(path: path, resumedStep: 0)
        let error = #expect(throws: ApusError.self) { try log.append(.step(.sample(step: 1, loss: 1))) }
        #expect(error?.problem == "No space left on device")

        var words: [String] = []
        let reporter = try RunReporter(
            folder: folder.path, title: "full", resumedStep: 0, audience: .person, write: { words.append($0) })
        reporter.report(.step(.sample(step: 1, loss: 1)))
        reporter.report(.step(.sample(step: 2, loss: 1)))
        #expect(words.count(where: { $0.contains("No space left on device") }) == 1)
        #expect(words.count(where: { $0.hasPrefix("step ") }) == 2)
    }

    @Test func linesThatAFullDiskDidNotTakeComeLater() throws {
        let log = try MetricsLog(path: path, resumedStep: 0)
        let write = log.write
        try log.append(.step(.sample(step: 1, loss: 1)))
        log.write = { bytes, file in
            // Half of it still fits.
            _ = write(UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2)), file)
            return ENOSPC
        }
        for step in 2...3 {
            #expect(throws: ApusError.self) { try log.append(.step(.sample(step: step, loss: 1))) }
            #expect(try steps() == [1])
        }
        log.write = write
        try log.append(.step(.sample(step: 4, loss: 1)))
        #expect(try steps() == [1, 2, 3, 4])
    }
}
