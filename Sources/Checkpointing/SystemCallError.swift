import Foundation
import Numerics

/// A system call that failed: what it should have done, to which path, and why it did not.
package struct SystemCallError: Error, CustomStringConvertible, Sendable {
    /// Completes "could not … <path>".
    package let action: String
    package let path: String
    /// `errno`.
    package let code: Int32

    package init(action: String, path: String, code: Int32) {
        self.action = action
        self.path = path
        self.code = code
    }

    package var description: String {
        "could not \(action) \(path): \(String(cString: strerror(code))) (errno \(code))"
    }

    package var remedy: String? {
        switch code {
        case ENOSPC, EDQUOT: "free space on that file system, or save elsewhere"
        case EROFS, EACCES, EPERM: "choose a folder that this user may write to"
        case ENOENT: "check the path; a checkpoint folder must be visible under the same path on every host"
        case EIO: "check the disk: the system log says more"
        case ELOOP: "a checkpoint's files may not be symbolic links"
        default: nil
        }
    }

    package func asApusError(_ operation: String) -> ApusError {
        ApusError(operation, description, remedy: remedy, kind: isWrongPath ? .badInput : .runtime)
    }

    private var isWrongPath: Bool { [ENOENT, ENOTDIR, EISDIR, EEXIST, EACCES, ELOOP, ENAMETOOLONG].contains(code) }
}
