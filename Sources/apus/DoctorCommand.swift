import ArgumentParser
import Diagnostics
import Foundation

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check that this host is fit for training, and how fast it is.",
        discussion: "Every line is ok, warning or failed, and says what to do. The exit code is 1 if something failed.",
        subcommands: [Probe.self])

    @Flag(help: "Print the findings as JSON.")
    var json = false

    func run() async throws {
        let examination = await Examination.ofThisHost(probe: [ThisProgram.path, "doctor", Probe._commandName])
        print(json ? examination.json : examination.text)
        if examination.hasFailed { throw ExitCode(.failure) }
    }

    /// What the doctor starts twice under `mpirun`.
    struct Probe: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "mpi-probe", abstract: "Be one of two ranks that measure their connection.",
            shouldDisplay: false)

        func run() throws {
            guard let result = try MPIProbe.run() else { return }
            print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
        }
    }
}
