"""What the tests of the page do and look for."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def png(width_px: int, height_px: int, mode: str = 'L') -> bytes:
    """A gray picture."""
    file = io.BytesIO()
    Image.new(mode, (width_px, height_px), 128).save(file, 'PNG')
    return file.getvalue()


def landscape(width_px: int, height_px: int, color: str = 'seagreen') -> bytes:
    """A hill under an evening sky, as JPEG."""
    sky = Image.linear_gradient('L').resize((width_px, height_px))
    image = Image.merge('RGB', [sky, sky.point([90 + value // 3 for value in range(256)]), sky.point([140] * 256)])
    pen = ImageDraw.Draw(image)
    pen.ellipse((width_px * 0.6, height_px * 0.2, width_px * 0.7, height_px * 0.2 + width_px * 0.1), fill='moccasin')
    pen.ellipse((-width_px * 0.3, height_px * 0.6, width_px * 1.1, height_px * 2), fill=color)
    file = io.BytesIO()
    image.save(file, 'JPEG')
    return file.getvalue()


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    """Drag *files* over the page and let them go there."""
    transfer = page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [name, content] of files) {
                const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name));
            }
            return transfer;
        }""",
        [[name, base64.b64encode(content).decode()] for name, content in files],
    )
    page.dispatch_event('.drop', 'dragenter', {'dataTransfer': transfer})
    expect(page.locator('body')).to_have_class('dragging')
    page.dispatch_event('.drop', 'dragover', {'dataTransfer': transfer})
    page.dispatch_event('.drop', 'drop', {'dataTransfer': transfer})
    expect(page.locator('body')).not_to_have_class('dragging')


def choose(page: Page, *files: tuple[str, bytes], field: Locator | None = None) -> None:
    """Pick *files* by hand."""
    picked = [{'name': name, 'mimeType': '', 'buffer': content} for name, content in files]
    field = field or page.get_by_label('Choose files')
    field.set_input_files(picked)  # type: ignore[arg-type]  # it wants its own TypedDict


def expect(locator: Locator) -> Any:
    from playwright.sync_api import expect as playwright_expect

    return playwright_expect(locator)


def row(page: Page, name: str) -> Locator:
    """The line of a file in the list."""
    return page.locator('#files .file').filter(has=page.get_by_role('link', name=name, exact=True))


def upload_of(page: Page, name: str) -> Locator:
    """The row of an upload that runs, or that asks what to do."""
    return page.locator('#uploads .upload').filter(has=page.get_by_text(name, exact=True))


def problem_of(page: Page, name: str) -> Locator:
    """The reason why a file was not uploaded, with all files that it concerns."""
    return page.locator('#problems .group').filter(has=page.get_by_text(name, exact=True))


def said(page: Page) -> Locator:
    return page.get_by_role('status')
