import Numerics
import Tokenization

/// Continues a text, token by token.
public struct TextGenerator {
    let model: LanguageModelRunner
    let tokenizer: any Tokenizer
    let sampling: TokenSampling

    /// - Throws: `ApusError` where the tokenizer has ids that the model doesn't know, or a setting is out of range.
    public init(model: LanguageModelRunner, tokenizer: any Tokenizer, sampling: TokenSampling) throws {
        let known = model.decoder.configuration.vocabularySize
        guard tokenizer.vocabularySize <= known else {
            throw ApusError(
                "generating text", "the tokenizer has \(tokenizer.vocabularySize) tokens, the model knows \(known)",
                remedy: "use the tokenizer.json that the training data was prepared with")
        }
        try sampling.validate()
        self.model = model
        self.tokenizer = tokenizer
        self.sampling = sampling
    }

    /// Generates at most `count` tokens after `prompt`, ending early at the end-of-text token.
    ///
    /// An empty prompt starts a new document. Where the text outgrows the model's context, its last half is read again
    /// and the text goes on from there.
    /// - Parameter emit: Called with each piece of text as soon as its bytes are complete characters.
    /// - Returns: The generated ids.
    @discardableResult
    public func generate(prompt: String, count: Int, emit: (String) -> Void) throws -> [Int32] {
        var text = try tokenizer.encode(prompt)
        if text.isEmpty { text = [try startToken()] }
        let promptCount = text.count
        let contextLength = model.decoder.configuration.contextLength
        var unread = Array(text.suffix(contextLength))
        var decoder = StreamingDecoder(tokenizer)

        model.startText()
        while text.count < promptCount + count {
            if unread.count > model.remainingContext {
                model.startText()
                unread = Array(text.suffix(max(contextLength / 2, 1)))
            }
            let next = model.withNextScores(after: unread) { sampling.choose($0, position: text.count) }
            if next == tokenizer.endOfText { break }
            text.append(next)
            unread = [next]
            emit(try decoder.append(next))
        }
        emit(decoder.finish())
        return Array(text[promptCount...])
    }

    private func startToken() throws -> Int32 {
        guard let endOfText = tokenizer.endOfText else {
            throw ApusError(
                "generating text", "the prompt is empty and the tokenizer has no end-of-text token to begin with",
                remedy: "give a --prompt of at least one character")
        }
        return endOfText
    }
}
