import Foundation

/// There is one profiler in a process: tests that start it take turns, also over suites.
public let profilerTurn = NSRecursiveLock()
