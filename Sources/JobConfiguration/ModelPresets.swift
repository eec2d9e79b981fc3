import Foundation
import Models
import Yams

/// Models by name: the files `configs/models/<name>.yaml`, each with the keys of a job's `model` section.
public enum ModelPresets {
    /// The shape of a preset.
    ///
    /// - Parameters:
    ///   - name: a name such as `gpt2-124m`, or the path of a YAML file when there is a `/` in it.
    ///   - jobFile: the job that asks for it; its folder and those above it are searched first.
    /// - Throws: `JobError` when there is no such preset or when it is wrong.
    public static func load(_ name: String, jobFile: String? = nil) throws -> ModelConfiguration {
        var model = ModelConfiguration.undecided
        let context = try decode(name, into: &model, jobFile: jobFile, location: "looking up a model preset")
        ModelConfiguration.reportMissingKeys(at: "", context, mark: nil)
        guard context.problems.isEmpty else { throw JobError(problems: context.problems) }
        model.deriveDefaults(at: "", context)
        return model
    }

    /// The names of all presets in all folders that are searched, sorted.
    public static func names(jobFile: String? = nil) -> [String] {
        let files = searchFolders(jobFile: jobFile).flatMap { folder in
            (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        }
        return Set(files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(".yaml".count)) }).sorted()
    }

    /// Where presets are looked for, in this order: `$APUS_CONFIGS/models`; `configs/models` in the job file's folder
    /// and those above it, in the working directory, and in the folders above the executable (the package it was built
    /// in); `share/apus/configs/models` beside an installed executable's `bin`.
    static func searchFolders(jobFile: String?) -> [String] {
        var roots: [String] = []
        if let jobFile { roots += foldersAbove(URL(fileURLWithPath: jobFile)) }
        roots.append(FileManager.default.currentDirectoryPath)
        let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        roots += foldersAbove(executable)
        var folders = roots.map { "\($0)/configs/models" }
        if let configs = ProcessInfo.processInfo.environment["APUS_CONFIGS"] {
            folders.insert("\(configs)/models", at: 0)
        }
        let prefix = executable.deletingLastPathComponent().deletingLastPathComponent()
        folders.append(prefix.appendingPathComponent("share/apus/configs/models").path)
        return folders
    }

    /// Reads a preset into `model`; what was given, and what is wrong, is in the context that comes back.
    ///
    /// - Parameter location: where the preset is asked for, for messages.
    static func decode(
        _ name: String, into model: inout ModelConfiguration, jobFile: String?, location: String
    ) throws(JobError) -> DecodingContext {
        let path = try find(name, jobFile: jobFile, location: location)
        let context = DecodingContext(name: path)
        let root = try composeYAML(try readText(path), name: path) ?? Node.mapping(Node.Mapping([]))
        ModelConfiguration.decode(root, into: &model, at: "", context)
        return context
    }

    private static func find(_ name: String, jobFile: String?, location: String) throws(JobError) -> String {
        if name.contains("/") { return name }
        let folders = searchFolders(jobFile: jobFile)
        for folder in folders {
            let path = "\(folder)/\(name).yaml"
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        let known = names(jobFile: jobFile)
        let remedy =
            if let near = nearest(to: name, among: known) {
                "did you mean '\(near)'?"
            } else if known.isEmpty {
                "name the folder that holds models/\(name).yaml in the environment variable APUS_CONFIGS"
            } else {
                "the presets are: \(known.joined(separator: ", "))"
            }
        let problem = JobProblem(location: location, message: "there is no model preset '\(name)'", remedy: remedy)
        throw JobError(problems: [problem])
    }

    private static func foldersAbove(_ file: URL) -> [String] {
        var folder = file.standardizedFileURL.deletingLastPathComponent()
        var folders = [folder.path]
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            folders.append(folder.path)
        }
        return folders
    }
}
