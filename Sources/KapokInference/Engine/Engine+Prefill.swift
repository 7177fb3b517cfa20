import KapokLinux
public import KapokModel
import KapokWorld

/// The model's cache as transfers see it.
struct CacheMemory: KVPageMemory {
    let cache: KVCache
    var pageBytes: Int { cache.pageBytes }
    func memory(of page: PageID) -> UnsafeMutableRawBufferPointer { cache.bytes(of: page) }
}

extension Engine: PrefillHost {
    /// The cache's pages.
    public var memory: any KVPageMemory { CacheMemory(cache: cache) }

    /// Has a job's keys and values computed; the pages stay until `release`.
    public func prefill(
        _ job: PrefillJob, report: @escaping @Sendable (PrefillReport) -> Void
    ) {
        do { try validate(job.tokens, newTokens: 0) } catch {
            report(.ended("\(error)"))
            return
        }
        submit { state in
            state.nextNumber += 1
            let id = RequestID(state.nextNumber)
            state.prefills[id] = PrefillWait(
                job: job.number, tokens: job.tokens.count, report: report)
            state.jobs[job.number] = id
            state.prompts[id] = job.tokens
            return .submit(
                ScheduledRequest(
                    id: id, prompt: job.tokens, maximumNewTokens: 1, mode: job.mode,
                    tenant: job.tenant, deadline: job.deadline, prefillOnly: true))
        }
    }

    /// Whether the job goes on and `page` is one of those that were reported last.
    public func holds(_ number: UInt64, page: PageID) -> Bool {
        withState { state in
            guard let id = state.jobs[number] else { return false }
            return state.prefills[id]?.pages.contains(page) ?? false
        }
    }

    /// Gives up a job's pages, however far it is.
    public func release(_ number: UInt64) {
        submit { state in
            guard let id = state.jobs.removeValue(forKey: number) else { return nil }
            // It has its answer: nobody is told that it ends.
            state.prefills.removeValue(forKey: id)
            return .cancel(id)
        }
    }

    /// Tells whoever waits for a prompt's keys and values; the last time when it ended.
    func report(
        _ news: PrefillReport, to id: RequestID, _ state: inout EngineState,
        _ deliveries: inout EngineDeliveries
    ) {
        guard let wait = state.prefills[id] else { return }
        switch news {
        case .progress(_, let pages): state.prefills[id]?.pages = pages
        case .ended:
            state.prefills.removeValue(forKey: id)
            state.jobs.removeValue(forKey: wait.job)
        }
        deliveries.append { wait.report(news) }
    }

    /// Has a prompt's pages pulled, in a decode role.
    func pull(
        _ id: RequestID, from: Int, tokens: Int, pages: [PageID], _ state: inout EngineState,
        _ deliveries: inout EngineDeliveries
    ) {
        guard let puller, let request = state.requests[id] else {
            // Without a puller nothing is pulled: the prompt is computed here.
            deliveries.append { [weak self] in self?.submit { _ in .pulled(id, tokens: from) } }
            return
        }
        let order = PullOrder(
            request: id, tokens: Array(request.tokens.prefix(tokens)), from: from, pages: pages,
            mode: request.mode, tenant: request.tenant, deadline: request.deadline)
        deliveries.append { [self] in
            puller.pull(order, into: memory) { [weak self] good in
                self?.submit { _ in .pulled(id, tokens: good) }
            }
        }
    }
}
