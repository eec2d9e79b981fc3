import Observability

// The study's content as documents.

extension ScalingPage {
    /// A page that needs no other file.
    package var html: String {
        let pictures = plots.map { "<figure>\($0.picture.svg)</figure>" }.joined(separator: "\n")
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>\(title.escapedForXML)</title>
            <style>
            body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #222; max-width: 1160px; margin: 2em auto; \
            padding: 0 1em; }
            table { border-collapse: collapse; margin: 1.5em 0; }
            th, td { padding: 0.25em 0.9em; text-align: right; border-bottom: 1px solid #e4e4e4; }
            th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
            figure { display: inline-block; margin: 0; }
            pre { background: #f4f4f4; padding: 0.8em; overflow-x: auto; }
            </style>
            </head>
            <body>
            <h1>\(title.escapedForXML)</h1>
            \(paragraphs.map { "<p>\($0.escapedForXML)</p>" }.joined(separator: "\n"))
            <pre>\(command.escapedForXML)</pre>
            \(cluster.map { "<pre>\($0.listing.escapedForPreformatted)</pre>" } ?? "")
            \(pictures)
            \(htmlTable)
            <p>\(legend.escapedForXML)</p>
            </body>
            </html>

            """
    }

    private var htmlTable: String {
        func row(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\($0.escapedForXML)</\(tag)>" }.joined() + "</tr>"
        }
        let table = table
        return "<table>\n\(row(table.heads, "th"))\n"
            + "\(table.rows.map { row($0, "td") }.joined(separator: "\n"))\n</table>"
    }

    /// The same as a Markdown document, whose pictures lie beside it.
    package var markdown: String {
        func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
        let table = table
        let alignment = table.heads.indices.map { $0 < 2 ? "---" : "---:" }
        var parts = ["# \(title)"] + paragraphs + ["```sh\n\(command)\n```"]
        if let cluster { parts.append("```text\n\(cluster.listing)\n```") }
        parts.append(plots.map { "![\($0.picture.title)](\($0.fileName))" }.joined(separator: "\n"))
        parts.append(([row(table.heads), row(alignment)] + table.rows.map(row)).joined(separator: "\n"))
        return (parts + [legend]).joined(separator: "\n\n") + "\n"
    }
}

extension String {
    /// As `escapedForXML`, with its line breaks kept.
    fileprivate var escapedForPreformatted: String {
        split(separator: "\n", omittingEmptySubsequences: false).map { String($0).escapedForXML }.joined(
            separator: "\n")
    }
}
