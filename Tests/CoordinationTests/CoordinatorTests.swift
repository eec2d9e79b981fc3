import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct CoordinatorTests {
    @Test func eventsAreShownWordsPassedOnAndSuccessReturned() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(
                in: folder,
                script: #"""
                    if [ $RANK = 0 ]; then
                        printf '\#(FakeRun.started)'
                        echo "called as: $1 $2; $APUS_THREADS_PER_RANK $APUS_COORDINATED"
                        printf '\036{"kind":"evaluation","step":5,"loss":2.5,"perplexity":12.2,"seconds":0.5}\n'
                        printf '\036{"kind":"unknown to this version"}\n'
                        printf 'no line feed at the end'
                    fi
                    """#)
            let result = try await fake.launch()
            #expect(result.exitCode == 0, "\(result)")
            #expect(result.standardOutput.contains("starting job 'fake': 2 ranks × 1 thread by mpirun\n"))
            #expect(result.standardOutput.contains("fake: 1k parameters, 2 ranks × 1 thread (data 2)"))
            #expect(result.standardOutput.contains("called as: worker \(fake.job); 1 1\n"))
            #expect(result.standardOutput.contains("step 5: validation loss 2.5000, perplexity 12.2 (0.5s)\n"))
            #expect(result.standardOutput.contains("no line feed at the end\n"))
            #expect(!result.standardOutput.contains("\u{1e}"))
            #expect(result.standardError == "")
            #expect(try fake.log.contains("mpirun -np 2"))
            #expect(try fake.log.contains("called as: worker"))
        }
    }

    @Test func badInputIsToldOnceInTheWorkersWords() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(in: folder, script: "echo 'error: data.train: no such file' >&2; exit 65")
            let result = try await fake.launch()
            #expect(result.exitCode == 65, "\(result)")
            #expect(result.standardError == "error: data.train: no such file\n")
        }
    }

    @Test func aRunThatStoppedByItselfReturnsThat() async throws {
        try await withTemporaryFolder { folder in
            let result = try await FakeRun(in: folder, script: "exit 75").launch()
            #expect(result.exitCode == 75, "\(result)")
            #expect(result.standardOutput.contains("the same command goes on from the checkpoint"))
            #expect(result.standardError == "")
        }
    }

    @Test(arguments: [1, 3]) func aFailedRankIsNamedWithItsLastWords(_ code: Int) async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(
                in: folder,
                script: """
                    if [ $RANK = 1 ]; then
                        for line in $(seq 60); do echo "word $line" >&2; done
                        exit \(code)
                    fi
                    sleep 20
                    """)
            let result = try await fake.launch()
            #expect(result.exitCode == code, "\(result)")
            #expect(result.standardError.hasPrefix("error: job 'fake': rank 1 failed with exit code \(code)\n"))
            #expect(result.standardError.contains("  | word 60\n"))
            #expect(!result.standardError.contains("word 20\n"))
            #expect(result.standardError.contains("run/workers/launch.log"))
            // Open MPI's own notices are for the log alone.
            #expect(!result.standardError.contains("mpirun detected"))
            #expect(try fake.log.contains("word 20\n"))
            #expect(try fake.log.contains("mpirun detected"))
        }
    }

    @Test func aKilledRankIsToldOfWithItsSignal() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(in: folder, script: "if [ $RANK = 1 ]; then kill -9 $$; fi; sleep 20")
            let result = try await fake.launch()
            #expect(result.exitCode == 1, "\(result)")
            // Which rank it was is known only if mpirun says so before it ends.
            #expect(
                result.standardError.contains("rank was ended by signal 9")
                    || result.standardError.contains("rank 1 was"))
            #expect(result.standardError.contains("signal 9 (Killed)"))
        }
    }

    /// A worker that saves on SIGUSR1, the one signal that Open MPI hands on.
    private static let obedient = #"""
        trap 'touch $FOLDER/saved-$RANK; exit 75' USR1
        echo $$ > $FOLDER/pid-$RANK
        until [ -s $FOLDER/pid-0 ] && [ -s $FOLDER/pid-1 ]; do sleep 0.05; done
        if [ $RANK = 0 ]; then printf '\#(FakeRun.started)'; fi
        for turn in $(seq 600); do sleep 0.05; done
        """#

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func aSignalMakesTheWorkersSaveAndStop(_ signal: Int32) async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(in: folder, script: Self.obedient)
            let result = try await fake.launch { coordinator in
                try await coordinator.waitForOutput("1k parameters")
                coordinator.send(signal)
            }
            #expect(result.exitCode == 75, "\(result)")
            #expect(result.standardOutput.contains("saving and stopping after this step"))
            #expect(FileManager.default.fileExists(atPath: folder.path + "/saved-0"))
            #expect(try await end(fake.processIdentifiers(), within: .seconds(5)))
        }
    }

    @Test func aSecondInterruptEndsWorkersThatDoNotListen() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(
                in: folder, script: Self.obedient.replacing("trap 'touch", with: "trap '' TERM USR1 #"))
            let result = try await fake.launch { coordinator in
                try await coordinator.waitForOutput("1k parameters")
                coordinator.send(SIGINT)
                try await coordinator.waitForOutput("Ctrl-C again")
                coordinator.send(SIGINT)
            }
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardError.contains("stopped without saving"))
            #expect(try await end(fake.processIdentifiers(), within: .seconds(10)))
        }
    }

    @Test func aSignalBeforeTheFirstStepEndsTheWorkers() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(in: folder, script: "echo $$ > $FOLDER/pid-$RANK; echo ready-$RANK; sleep 30")
            let result = try await fake.launch { coordinator in
                try await coordinator.waitForOutput("ready-0")
                try await coordinator.waitForOutput("ready-1")
                coordinator.send(SIGTERM)
            }
            #expect(result.exitCode == 75, "\(result)")
            #expect(result.standardOutput.contains("stopped before the first step"))
            #expect(try await end(fake.processIdentifiers(), within: .seconds(10)))
        }
    }

    @Test func theWorkersOfAKilledCoordinatorSaveAndEnd() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(in: folder, script: Self.obedient)
            let result = try await fake.launch { coordinator in
                try await coordinator.waitForOutput("1k parameters")
                coordinator.send(SIGKILL)
            }
            #expect(result.exitCode == 128 + Int(SIGKILL), "\(result)")
            let processes = try fake.processIdentifiers()
            #expect(processes.count == 2)
            #expect(try await end(processes, within: .seconds(10)))
            #expect(FileManager.default.fileExists(atPath: folder.path + "/saved-0"))
        }
    }

    @Test func withoutMPIRunTheCureIsNamed() async throws {
        try await withTemporaryFolder { folder in
            let result = try await FakeRun(in: folder, script: "").launch(environment: ["PATH": folder.path])
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardError.contains("mpirun is not in PATH"))
            #expect(result.standardError.contains("apt install openmpi-bin"))
        }
    }

    @Test func aRunFolderThatCannotBeMadeIsNamed() async throws {
        try await withTemporaryFolder { folder in
            let fake = try FakeRun(in: folder, script: "")
            try "in the way".write(toFile: folder.path + "/run", atomically: true, encoding: .utf8)
            let result = try await fake.launch()
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardError.contains("\(folder.path)/run/workers/launch.log"))
        }
    }
}
