import Crypto
import Foundation

/// What the processes of one job know and nobody else does. It travels in their environment, never on a command line, in
/// a file or in a log; connections prove it by HMAC-SHA256 (RFC 2104) over a fresh nonce instead of sending it.
public struct ControlSecret: Sendable {
    /// The variable in which workers find it.
    public static let variable = "APUS_CONTROL_SECRET"

    private let key: SymmetricKey

    /// A new one, of 256 random bits.
    public init() { key = SymmetricKey(size: .bits256) }

    /// Nil where the text is none that `text` gave.
    public init?(text: String) {
        guard let data = Data(base64Encoded: text), data.count == 32 else { return nil }
        key = SymmetricKey(data: data)
    }

    /// For the environment of the workers.
    public var text: String { key.withUnsafeBytes { Data($0).base64EncodedString() } }

    package enum Side: String {
        case coordinator, worker
    }

    package static func nonce() -> String {
        SymmetricKey(size: .bits128).withUnsafeBytes { Data($0).base64EncodedString() }
    }

    /// The side is part of the proof: nobody can answer a nonce by having the other side answer it.
    package func proof(of nonce: String, by side: Side) -> String {
        Data(HMAC<SHA256>.authenticationCode(for: Data("\(side.rawValue):\(nonce)".utf8), using: key))
            .base64EncodedString()
    }

    package func isProof(_ proof: String, of nonce: String, by side: Side) -> Bool {
        guard let code = Data(base64Encoded: proof) else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(
            code, authenticating: Data("\(side.rawValue):\(nonce)".utf8), using: key)
    }
}
