import Foundation

/// The text of a document.
///
/// - Throws: `JobError` when there is no such file, when it cannot be read, and when it is not UTF-8.
func readText(_ path: String) throws(JobError) -> String {
    func failure(_ message: String, _ remedy: String) -> JobError {
        JobError(problems: [JobProblem(location: path, message: message, remedy: remedy)])
    }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw failure(
            "there is no such file", "check the path; it is relative to \(FileManager.default.currentDirectoryPath)")
    }
    if isFolder.boolValue { throw failure("this is a folder, not a file", "name a YAML file in it") }
    guard let data = FileManager.default.contents(atPath: path) else {
        throw failure("the file cannot be read", "check its permissions")
    }
    guard let text = String(validating: data, as: UTF8.self) else {
        throw failure("the file is not UTF-8 text", "save it as plain UTF-8 text")
    }
    return text
}
