import Coordination
import Testing

@Suite struct LauncherNoticesTests {
    private let frame = String(repeating: "-", count: 74)

    private func accept(_ text: String, _ notices: inout LauncherNotices) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { notices.accept(String($0)) }
    }

    @Test func theFirstRankThatEndedIsKept() {
        var notices = LauncherNotices()
        let words = accept(
            """
            a worker's word
            \(frame)
            Primary job  terminated normally, but 1 process returned
            a non-zero exit code. Per user-direction, the job has been aborted.
            \(frame)
            \(frame)
            mpirun detected that one or more processes exited with non-zero status, thus causing
            the job to be terminated. The first process to do so was:

              Process name: [[16969,1],12]
              Exit code:    3
            \(frame)
            \(frame)
            mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).
            \(frame)
            mpirun: Forwarding signal 10 to job
            """, &notices)
        #expect(words == ["a worker's word"])
        #expect(notices.firstEnding?.rank == 12)
        #expect(notices.firstEnding?.cause == .exit(3))
        #expect(notices.firstEnding?.description == "rank 12 failed with exit code 3")
    }

    @Test func aSignalIsNamed() {
        var notices = LauncherNotices()
        let words = accept(
            "\(frame)\nmpirun noticed that process rank 1 with PID 0 on node vm exited on signal 11 (Segmentation fault).\n\(frame)",
            &notices)
        #expect(words == [])
        #expect(notices.firstEnding?.description == "rank 1 was ended by signal 11 (Segmentation fault)")
    }

    @Test func anExitCodeTellsOfASignalToo() {
        let notices = LauncherNotices()
        #expect(notices.ending(exitCode: 137)?.description.hasPrefix("a rank was ended by signal 9 (Killed)") == true)
        #expect(notices.ending(exitCode: 1) == nil)
        #expect(notices.ending(exitCode: 255) == nil)
    }

    @Test func otherNoticesAreWords() {
        var notices = LauncherNotices()
        let words = accept(
            "ssh: Could not resolve hostname b\n\(frame)\nORTE was unable to reliably start one or more daemons.\n\(frame)",
            &notices)
        #expect(
            words == ["ssh: Could not resolve hostname b", "ORTE was unable to reliably start one or more daemons."])
        #expect(notices.firstEnding == nil)
    }

    @Test func aNoticeThatNeverEndsIsNotLost() {
        var notices = LauncherNotices()
        #expect(accept("\(frame)\nThere are not enough slots", &notices) == [])
        #expect(notices.flush() == ["There are not enough slots"])
        #expect(notices.flush() == [])
    }

    @Test func slurmsLinesAreRead() {
        var notices = LauncherNotices()
        #expect(accept("srun: error: node7: task 3: Exited with exit code 65", &notices) == [])
        #expect(notices.firstEnding?.rank == 3)
        #expect(notices.firstEnding?.cause == .exit(65))
        var killed = LauncherNotices()
        #expect(accept("srun: error: node7: tasks 1-2: Killed", &killed) == [])
        #expect(killed.firstEnding?.rank == 1)
        #expect(killed.firstEnding?.cause == .signal(9, name: "Killed"))
        #expect(
            accept("srun: error: Unable to allocate resources", &killed) == [
                "srun: error: Unable to allocate resources"
            ])
    }
}
