"""`kapok serve` for llama_parity.py: greedy texts of many prompts, and how fast it starts."""
import concurrent.futures
import json
import subprocess
import time
import urllib.error
import urllib.request


class Server:
    def __init__(self, kapok, model, threads, *options):
        self.command = [
            kapok, "serve", "--model", model, "--threads", str(threads), "--port", "0", "--json",
            *options]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]
        return self

    def __exit__(self, kind, value, trace):
        self.process.kill()
        self.process.wait()

    def post(self, path, body):
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def tokens(self, kind, text):
        """The tokens of a prompt: a text, or a user's message in the model's template."""
        body = {"prompt": text} if kind == "text" else {
            "messages": [{"role": "user", "content": text}]}
        return self.post("/tokenize", body)["tokens"]

    def greedy(self, prompts, count, spellings):
        """`count` greedy tokens for each prompt (lists of tokens), several prompts at a time."""
        def one(prompt):
            answer = self.post("/v1/completions", {
                "prompt": prompt, "max_tokens": count, "temperature": 0, "ignore_eos": True,
                "logprobs": 0})
            tokens = [
                spellings[text] for text in answer["choices"][0]["logprobs"]["tokens"]]
            if len(tokens) != count or None in tokens:
                raise ValueError(f"no {count} tokens with numbers of their own: {answer}")
            return tokens

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return list(pool.map(one, prompts))


def seconds_to_first_token(kapok, model, threads, port):
    """From starting `kapok serve` to the first token of a short chat: (ready, first token)."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [kapok, "serve", "--model", model, "--threads", str(threads), "--port", str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        while True:
            try:
                urllib.request.urlopen(url + "/healthz", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                if process.poll() is not None:
                    raise RuntimeError(f"kapok serve ended with {process.returncode}") from None
                time.sleep(0.005)
        ready = time.perf_counter() - begin
        request = urllib.request.Request(
            url + "/v1/chat/completions", json.dumps({
                "stream": True, "max_tokens": 8, "temperature": 0,
                "messages": [{"role": "user", "content": "Hello, who are you?"}]}).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            for line in answer:
                if not line.startswith(b"data: {"):
                    continue
                choices = json.loads(line[6:])["choices"]
                if choices and choices[0]["delta"].get("content"):
                    return ready, time.perf_counter() - begin
        raise RuntimeError("the stream ended without a token")
    finally:
        process.kill()
        process.wait()
