"""A question that waited when the process died goes on with the log that it had."""

import asyncio

from support.workspace import workspace


async def test_a_resumed_run_continues_its_log(tmp_path, caplog):
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True}, {"gate": True})
        running = await first.ask("say: one two three")
        waiting = await first.ask("say: four five six", running.room.id)
        while not await first.store.run_events(waiting.run_id, 0):
            await asyncio.sleep(0.01)
        first.runs._closing = True  # as after SIGKILL: nothing further is written
        task = first.runs._live[running.run_id].task
        task.cancel()
        await asyncio.wait([task])
        async with workspace(tmp_path, simulator=first.simulator) as second:
            await second.simulator.step(3)
            async with asyncio.timeout(10):  # within 250 ms, if it can be written at all
                while len(await second.store.run_events(waiting.run_id, 0)) < 3:
                    await asyncio.sleep(0.01)
            kept = await second.store.run_events(waiting.run_id, 0)
            assert [event.kind for event in kept] == ["queued", "started", "delta"]
            await second.simulator.step(100)
            events = await second.events(waiting.run_id)
            assert [event.seq for event in events] == sorted({event.seq for event in events})
            assert [event.kind for event in events if event.kind != "delta"] == ["queued", "started", "finished"]
            assert "cannot be written" not in caplog.text
