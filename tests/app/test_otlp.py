"""Traces and metrics of a running server, as a collector gets them."""

import json

import pytest

from support.collector import Collector, attributes
from support.talkmeter_process import serving, signed_in
from talkmeter.app.telemetry import headers_of
from talkmeter.errors import SettingError

QUESTION = "say: canary-question"
HEADERS = "authorization=Bearer%20canary-collector,x-team=a"


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


def talked(data_dir, collector, *options):
    """The collector after a run, a call through /v1 and a refused one; the process's own words."""
    flags = ["--otlp-endpoint", collector.url, *options]
    with signed_in(data_dir, *flags, TALKMETER_OTLP_HEADERS=HEADERS) as (process, browser):
        run = browser.ask(QUESTION, "c1")
        browser.follow(run["run_id"])
        body = {"model": "sim-fast", "messages": [{"role": "user", "content": "say: canary-passing"}]}
        browser.json("POST", "/v1/chat/completions", body)
        assert browser.request("POST", "/v1/chat/completions", body | {"model": "absent"})[0] == 404
        assert process.stop() == 0
        return run["run_id"], process.output


def test_a_run_and_its_call_are_one_trace_and_calls_are_counted(tmp_path, collector):
    run_id, said = talked(tmp_path, collector)
    spans = {span.name: span for span in collector.spans}
    assert set(spans) == {"run", "chat sim-fast", "chat absent"}
    assert len(collector.spans) == 4
    run = spans["run"]
    call = next(span for span in collector.spans if span.trace_id == run.trace_id and span.name != "run")
    assert call.parent_span_id == run.span_id
    assert run.start_time_unix_nano <= call.start_time_unix_nano <= call.end_time_unix_nano
    about = attributes(call)
    assert about["gen_ai.operation.name"] == "chat"
    assert about["gen_ai.provider.name"] == "simulator"
    assert about["gen_ai.request.model"] == about["gen_ai.response.model"] == "sim-fast"
    assert about["gen_ai.response.finish_reasons"] == ["stop"]
    assert about["gen_ai.usage.input_tokens"] > 0
    assert about["talkmeter.run.id"] == attributes(run)["talkmeter.run.id"] == run_id
    assert about["talkmeter.surface"] == "web"
    assert about["talkmeter.cost.picodollars"] > 0
    alone = next(span for span in collector.spans if span.name == "chat sim-fast" and span is not call)
    assert not alone.parent_span_id
    assert alone.trace_id != run.trace_id
    assert attributes(alone)["talkmeter.surface"] == "openai"
    refused = spans["chat absent"]
    assert refused.status.code == 2
    assert attributes(refused)["error.type"] == "model_not_found"
    tokens = {point[0]["gen_ai.token.type"]: point[1] for point in collector.points("gen_ai.client.token.usage")
              if point[0]["gen_ai.request.model"] == "sim-fast"}  # fmt: skip
    assert tokens["input"].count == tokens["output"].count == 2
    asked = [attributes(span)["gen_ai.usage.input_tokens"] for span in (call, alone)]
    assert tokens["input"].sum == sum(asked)
    assert tokens["input"].explicit_bounds[:4] == [1, 4, 16, 64]
    durations = collector.points("gen_ai.client.operation.duration")
    assert sum(point.count for _, point in durations) == 3
    assert collector.points("talkmeter.cost")
    assert collector.resources[0]["service.name"] == "talkmeter"
    assert all(headers["authorization"] == "Bearer canary-collector" for headers in collector.headers)
    assert "canary" not in said
    assert "canary" not in str(collector.spans)


def test_contents_go_along_only_where_that_is_switched_on(tmp_path, collector):
    talked(tmp_path, collector, "--log-content")
    run = attributes(next(span for span in collector.spans if span.name == "run"))
    sent = json.loads(run["gen_ai.input.messages"])
    assert sent[-1] == {"role": "user", "parts": [{"type": "text", "content": QUESTION}]}
    assert json.loads(run["gen_ai.output.messages"])[0]["role"] == "assistant"
    assert "canary-passing" not in str(collector.spans), "what passes through is not read"


def test_a_collector_that_is_not_there_harms_nothing(tmp_path, collector):
    gone = collector.url
    collector.close()
    try:
        with signed_in(tmp_path, "--otlp-endpoint", gone) as (process, browser):
            run = browser.ask("hello", "c1")
            assert "event: finished" in browser.follow(run["run_id"])
            assert process.stop() == 0
    finally:
        collector.__init__()  # for the fixture to close


def test_without_the_packages_the_start_says_how_to_get_them(tmp_path):
    fake = tmp_path / "opentelemetry"
    fake.mkdir()
    (fake / "__init__.py").write_text("raise ModuleNotFoundError('no such module', name='opentelemetry')\n")
    flags = ("--otlp-endpoint", "http://localhost:4318")
    with serving(tmp_path / "d", *flags, PYTHONPATH=str(tmp_path)) as process:
        assert process.ended() == 2
        assert "pip install 'talkmeter[otlp]'" in process.output
        assert "python3 dev extras otlp" in process.output


def test_headers_are_pairs():
    assert headers_of("A=b, c = d%20e ,,f=g=h") == {"a": "b", "c": "d e", "f": "g=h"}
    assert headers_of("") == {}
    for wrong in ("nothing", "=x"):
        with pytest.raises(SettingError) as raised:
            headers_of(wrong)
        assert raised.value.param == "otlp_headers"
