import Foundation

extension RunEvent: Codable {
    private enum Kind: String, Codable {
        case started, step, evaluation, checkpoint, guarded, message, stopping, finished
    }

    private enum CodingKeys: String, CodingKey {
        case kind
    }

    public init(from decoder: any Decoder) throws {
        switch try decoder.container(keyedBy: CodingKeys.self).decode(Kind.self, forKey: .kind) {
        case .started: self = .started(try RunFacts(from: decoder))
        case .step: self = .step(try StepMetrics(from: decoder))
        case .evaluation: self = .evaluation(try EvaluationMetrics(from: decoder))
        case .checkpoint: self = .checkpoint(try CheckpointRecord(from: decoder))
        case .guarded: self = .guarded(try GuardRecord(from: decoder))
        case .message: self = .message(try RunMessage(from: decoder))
        case .stopping: self = .stopping(try StopNotice(from: decoder))
        case .finished: self = .finished(try RunSummary(from: decoder))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        let (kind, payload): (Kind, any Encodable) =
            switch self {
            case .started(let facts): (.started, facts)
            case .step(let metrics): (.step, metrics)
            case .evaluation(let metrics): (.evaluation, metrics)
            case .checkpoint(let record): (.checkpoint, record)
            case .guarded(let record): (.guarded, record)
            case .message(let message): (.message, message)
            case .stopping(let notice): (.stopping, notice)
            case .finished(let summary): (.finished, summary)
            }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind, forKey: .kind)
        try payload.encode(to: encoder)
    }
}

extension RunEvent {
    /// Begins an event's line on the workers' standard output: U+001E, the record separator of JSON text sequences
    /// (RFC 7464), which no ordinary output contains.
    public static let recordSeparator: Character = "\u{1e}"

    /// The line, without its line feed, by which workers tell the coordinator of this event.
    public var coordinatedLine: String {
        String(Self.recordSeparator) + String(decoding: EventCoding.encode(self), as: UTF8.self)
    }

    /// What one line of the workers' standard output holds: words to be passed on, an event, or both when a worker had
    /// not ended its line. An event that cannot be read counts as words.
    public static func parse(outputLine line: String) -> (words: String?, event: RunEvent?) {
        guard let separator = line.lastIndex(of: recordSeparator) else { return (line, nil) }
        guard let event = EventCoding.decode(RunEvent.self, from: Data(line[line.index(after: separator)...].utf8))
        else {
            return (line.filter { $0 != recordSeparator }, nil)
        }
        let words = line[..<separator]
        return (words.isEmpty ? nil : String(words), event)
    }
}

/// One dialect of JSON for events: keys sorted, slashes as they are, and the numbers that JSON lacks as strings.
enum EventCoding {
    private static let (infinity, negativeInfinity, notANumber) = ("Infinity", "-Infinity", "NaN")

    static func encode(_ value: some Encodable) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: infinity, negativeInfinity: negativeInfinity, nan: notANumber)
        do {
            return try encoder.encode(value)
        } catch {
            preconditionFailure("events hold only numbers and strings, which JSON can always hold: \(error)")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from json: Data) -> Value? {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: infinity, negativeInfinity: negativeInfinity, nan: notANumber)
        return try? decoder.decode(type, from: json)
    }
}
