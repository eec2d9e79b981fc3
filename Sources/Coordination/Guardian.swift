import Subprocess
import SystemPackage

/// A process that outlives the coordinator, and sees to it that the workers do not.
///
/// When the coordinator is killed, its end of a pipe closes. The guardian then asks the workers to save and leave, as a
/// signal to the coordinator would have, and has those ended that do not. (A parent-death signal would not do: it is
/// sent again for every thread of the dying parent, and the second SIGTERM makes `mpirun` leave its ranks behind.)
enum Guardian {
    /// Seconds for the step at hand and its save.
    private static let grace = 300

    /// `$1` is the launcher. A line on standard input says that all is well; without one, the coordinator died.
    private static let script = """
        if read -r line; then exit; fi
        kill -USR1 "$1"
        waited=0
        while kill -0 "$1" && [ $waited -lt \(grace) ]; do
            sleep 1
            waited=$((waited + 1))
        done
        kill -TERM "$1" && sleep 10 && kill -KILL "$1"
        """

    /// Runs `body` while a guardian watches over the launcher with this process identifier.
    static func watch(over launcher: ProcessIdentifier, while body: () async throws -> Void) async throws {
        var options = PlatformOptions()
        // Out of reach of what the terminal sends to the coordinator's group.
        options.createSession = true
        _ = try await Subprocess.run(
            .path("/bin/sh"), arguments: ["-c", script, "apus-guardian", String(launcher.value)],
            platformOptions: options, input: .inputWriter, output: .discarded, error: .discarded
        ) { guardian in
            try await body()
            // A guardian that somebody ended has nothing to hear.
            _ = try? await guardian.standardInputWriter.write("done\n")
            try? await guardian.standardInputWriter.finish()
        }
    }
}
