import Foundation

enum ThisProgram {
    /// The path of the running executable, for starting it again.
    static var path: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }
}
