"""Routes of models over the page's API."""

import pytest

from support.web_house import House


async def test_a_route_is_made_changed_and_deleted(house: House):
    body = {"pattern": "fast", "targets": [{"model": "sim-fast"}, {"provider_id": "provider_simulator"}], "retries": 1}
    made = await house.send("POST", "/api/routes", body)
    assert made.status == 201
    route = made.json()
    assert set(route) == {"id", "pattern", "targets", "retries", "enabled", "created_at"}
    assert route["targets"] == [
        {"provider_id": None, "model": "sim-fast"},
        {"provider_id": "provider_simulator", "model": None},
    ]
    where = f"/api/routes/{route['id']}"
    assert (await house.send("POST", "/api/routes", body)).code == "pattern_taken"
    changed = (await house.send("PATCH", where, {"pattern": "quick*", "enabled": False, "retries": 0})).json()
    assert changed == {**route, "pattern": "quick*", "enabled": False, "retries": 0}
    assert (await house.send("PATCH", where, {"targets": [{"model": "b"}]})).json()["targets"][0]["model"] == "b"
    assert [one["id"] for one in (await house.get("/api/routes"))["routes"]] == [route["id"]]
    assert (await house.send("DELETE", where)).status == 204
    assert (await house.get("/api/routes"))["routes"] == []
    for method in ("PATCH", "DELETE"):
        assert (await house.send(method, where, {})).code == "route_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"pattern": "", "targets": [{}]}, "pattern"),
        ({"pattern": "a*b", "targets": [{}]}, "pattern"),
        ({"pattern": "a", "targets": []}, "targets"),
        ({"pattern": "a", "targets": [{}] * 9}, "targets"),
        ({"pattern": "a", "targets": [{}], "retries": 6}, "retries"),
        ({"pattern": "star*", "targets": [{"provider_id": "provider_simulator", "model": "x*"}]}, "targets"),
        ({"pattern": "a", "targets": [{"url": "http://evil.example"}]}, "targets[0].url"),
    ],
)
async def test_what_is_no_route_says_why(house: House, body: dict, param: str):
    answer = await house.send("POST", "/api/routes", body)
    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


async def test_a_target_is_a_provider_that_is_there(house: House):
    nowhere = {"targets": [{"provider_id": "provider_nope", "model": "m"}]}
    assert (await house.send("POST", "/api/routes", {"pattern": "a", **nowhere})).code == "provider_not_found"
    made = await house.send("POST", "/api/routes", {"pattern": "a", "targets": [{"model": "m"}]})
    assert (await house.send("PATCH", f"/api/routes/{made.json()['id']}", nowhere)).code == "provider_not_found"
    assert (await house.get("/api/routes"))["routes"] == [made.json()]
