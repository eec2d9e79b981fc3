import Glibc
import Numerics

extension ApusError {
    /// A failed system call, explained by `errno`; made before anything else can overwrite that.
    static func system(_ operation: String, _ problem: String, code: Int32 = errno) -> ApusError {
        let (remedy, kind): (String?, Kind) =
            switch code {
            case ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP: ("check the path", .badInput)
            case EACCES, EPERM, EROFS: ("check the permissions of the file and its folder", .badInput)
            case ENOSPC, EDQUOT, EFBIG: ("free some space, raise the limit, or write somewhere else", .runtime)
            case EMFILE, ENFILE: ("raise the limit of open files (ulimit -n)", .runtime)
            default: (nil, .runtime)
            }
        return ApusError(operation, "\(problem): \(String(cString: strerror(code)))", remedy: remedy, kind: kind)
    }
}
