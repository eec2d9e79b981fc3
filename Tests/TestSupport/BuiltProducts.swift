import Foundation
import Numerics

/// The folder that holds this test bundle and, beside it, the executables of the package.
public let builtProductsFolder: URL = {
    var arguments = CommandLine.arguments[...]
    while let argument = arguments.popFirst() {
        // A separate runner loads the bundle on some platforms, and says where it is.
        if argument == "--test-bundle-path", let path = arguments.first {
            let bundle = URL(fileURLWithPath: path)
            let parts = bundle.pathComponents
            let depth = parts.firstIndex { $0.hasSuffix(".xctest") } ?? parts.count - 1
            return URL(fileURLWithPath: NSString.path(withComponents: Array(parts[..<depth])))
        }
    }
    return URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
}()

/// The path of an executable of this package, for example "apus".
///
/// A name with a slash in it is a path already; a name that is not built here is looked up in `PATH`.
public func builtExecutable(_ name: String) throws -> String {
    if name.contains("/") { return name }
    let built = builtProductsFolder.appendingPathComponent(name).path
    if FileManager.default.isExecutableFile(atPath: built) { return built }
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
        return "\(folder)/\(name)"
    }
    throw ApusError(
        "finding the program \(name)", "it is neither in \(builtProductsFolder.path) nor in PATH",
        remedy: "build it with: swift build -c release --product \(name)")
}
